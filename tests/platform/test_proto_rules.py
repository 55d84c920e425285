"""
The platform's rules for model.proto, each with a file that breaks it.

The table follows the observed behaviour of the platform's own parsers. The
name of each case is the construct.
"""

from pathlib import Path

import pytest

from aura.blocks import BLOCKS
from aura.platform.proto_rules import check, check_all

ROOT = Path(__file__).parents[2]
MODELS = {block.name: (ROOT / "blocks" / block.folder / "model.proto")
          .read_text("utf-8") for block in BLOCKS}

GOOD = """syntax = "proto3";

// A comment outside of everything.

message Empty {
}

message Batch {
  string run_id = 1;
  repeated int32 sizes = 2;
  Part part = 3;
}

message Part {
  double hours = 1;
  bytes content = 2;
}

service Loader {
  rpc load(Empty) returns (stream Batch);

  rpc count(Batch) returns (Part);
}
"""

# construct: (part of GOOD, its replacement, rule of the problem)
BAD = {
    "package": ("\n// A", "package x;\n// A", "forbidden"),
    "import": ("\n// A", 'import "a.proto";\n// A', "forbidden"),
    "top-level enum": ("\n// A", "enum Kind {\n}\n// A", "forbidden"),
    "nested enum": ("  bytes", "  enum Kind {\n  }\n  bytes", "forbidden"),
    "optional": ("  bytes", "  optional bytes", "forbidden"),
    "map": ("  bytes content", "  map<string, int32> content", "forbidden"),
    "oneof": ("  bytes", "  oneof a {\n  }\n  bytes", "forbidden"),
    "uint32": ("bytes", "uint32", "forbidden"),
    "uint64": ("bytes", "uint64", "forbidden"),
    "option": ("\n// A", "option x = true;\n// A", "forbidden"),
    "reserved": ("  bytes", "  reserved 3, 4;\n  bytes", "forbidden"),
    "field without blanks": ("content = 2", "content=2", "layout"),
    "blank before the semicolon": ("= 2;\n}", "= 2 ;\n}", "layout"),
    "aligned equal sign": ("content =", "content  =", "layout"),
    "field not indented": ("  bytes", "bytes", "layout"),
    "field options": ("content = 2", "content = 2 [deprecated = true]",
                      "layout"),
    "field number 0": ("content = 2", "content = 0", "layout"),
    "message on one line": ("message Empty {\n}", "message Empty {}",
                            "layout"),
    "message brace without blank": ("Part {", "Part{", "layout"),
    "message indented": ("message Part", " message Part", "layout"),
    "nested message": ("  bytes", "  message A {\n  }\n  bytes", "layout"),
    "group": ("  bytes content", "  group Content", "layout"),
    "service brace without blank": ("Loader {", "Loader{", "layout"),
    "rpc with body": ("(Part);", "(Part) {}", "layout"),
    "rpc over two lines": ("(Batch) ret", "(Batch)\n      ret", "layout"),
    "returns without blank": ("returns (Part)", "returns(Part)", "layout"),
    "two inputs": ("count(Batch)", "count(Batch, Part)", "layout"),
    "google Empty": ("load(Empty)", "load(google.protobuf.Empty)", "layout"),
    "brace not closed": ("(Part);\n}\n", "(Part);\n", "layout"),
    "comment in a service": ("  rpc count", "  // c\n  rpc count",
                             "comment"),
    "comment in a message": ("  bytes", "  // c\n  bytes", "comment"),
    "comment behind a field": ("content = 2;", "content = 2; // c",
                               "comment"),
    "block comment": ("// A", "/* A */\n// A", "comment"),
    "comment with semicolon": ("everything.", "everything;", "comment"),
    "comment with syntax": ("everything.", "the syntax.", "comment"),
    "comment with a forbidden word": ("everything.", "an enum.", "comment"),
    "comment that begins like code": ("// A", "// service", "comment"),
    "blanks in an empty line": ("\n\n  rpc", "\n  \n  rpc", "characters"),
    "tab": ("  bytes", "\tbytes", "characters"),
    "carriage return": ("= 2;\n}", "= 2;\r\n}", "characters"),
    "beyond ASCII": ("everything", "µV", "characters"),
    "no last line end": ("(Part);\n}\n", "(Part);\n}", "characters"),
    "single quotes": ('"proto3"', "'proto3'", "first_line"),
    "proto2": ("proto3", "proto2", "first_line"),
    "no syntax": ('syntax = "proto3";\n', "", "first_line"),
    "comment before syntax": ("syntax", "// c\nsyntax", "first_line"),
    "two services": ("service Loader", "service A {\n  rpc a(Empty) "
                     "returns (Part);\n}\n\nservice Loader", "service"),
    "no rpc": ("  rpc load(Empty) returns (stream Batch);\n\n"
               "  rpc count(Batch) returns (Part);\n", "", "service"),
    "stream to stream": ("count(Batch) returns (Part)",
                         "count(stream Batch) returns (stream Part)",
                         "stream"),
    "undefined message of an rpc": ("count(Batch)", "count(Other)",
                                    "undefined"),
    "undefined type of a field": ("  Part part", "  Other part", "type"),
    "unknown scalar": ("bytes", "int16", "type"),
    "number kept by protoc": ("content = 2", "content = 19000", "number"),
    "number too big": ("content = 2", "content = 536870912", "number"),
    "message twice": ("message Part", "message Batch", "duplicate"),
    "field twice": ("sizes", "run_id", "duplicate"),
    "number twice": ("content = 2", "content = 1", "duplicate"),
    "rpc twice": ("rpc count", "rpc load", "duplicate"),
    "word of Python": ("content", "lambda", "name"),
    "rpc of the platform": ("rpc count", "rpc mountVolume", "layout"),
    "message of the platform": ("Part", "SharedFolderStatus", "name"),
    "Empty with a field": ("message Empty {\n",
                           "message Empty {\n  int32 a = 1;\n", "empty"),
    "other message without fields": (
        "  double hours = 1;\n  bytes content = 2;\n", "", "empty"),
    "Empty as answer": ("returns (Part)", "returns (Empty)", "empty"),
    "one string": ("  double hours = 1;\n  bytes content = 2;",
                   "  string path = 1;", "one_string"),
    "ports alike": (
        "  double hours = 1;\n  bytes content = 2;",
        "  string a = 1;\n  repeated int32 b = 2;\n  Part c = 3;",
        "ambiguous"),
}


def rules(problems):
    """The short names of the rules that were broken."""
    return {entry.rule.removeprefix("proto.") for entry in problems}


def test_the_five_blocks_keep_every_rule():
    assert check_all(MODELS) == []


def test_the_good_example_keeps_every_rule():
    assert check(GOOD) == []


@pytest.mark.parametrize("construct", BAD)
def test_a_bad_construct_is_rejected_with_its_rule(construct):
    old, new, rule = BAD[construct]
    assert old in GOOD
    bad = GOOD.replace(old, new)
    assert bad != GOOD
    assert rule in rules(check(bad))


@pytest.mark.parametrize("construct", [
    name for name, (_, _, rule) in BAD.items()
    if rule in ("layout", "forbidden", "comment", "characters")
    and name not in ("no last line end", "brace not closed")])
def test_a_problem_names_its_line(construct):
    old, new, rule = BAD[construct]
    texts = [entry.text for entry in check(GOOD.replace(old, new))
             if entry.rule == f"proto.{rule}"]
    assert any(text.startswith("line ") for text in texts)


def test_an_empty_file_is_rejected():
    assert {"first_line", "service", "characters"} <= rules(check(""))


@pytest.mark.parametrize("name", [
    "ecg_loader", "Ecg-Loader", "1-loader", "ecg loader", "loader-", "",
    "a" * 63])
def test_names_become_kubernetes_names(name):
    assert rules(check_all({name: MODELS["ecg-loader"]})) == {"block_name"}


def test_a_message_defined_in_two_ways_is_rejected():
    changed = MODELS["feature-builder"].replace("ecg_hours", "hours")
    problems = check_all({**MODELS, "feature-builder": changed})
    assert rules(problems) == {"clash"}
    assert "EcgBatch" in problems[0].text


def test_a_service_defined_in_two_ways_is_rejected():
    changed = MODELS["ecg-loader"].replace("load_training", "load")
    assert rules(check_all(
        {**MODELS, "other-loader": changed})) == {"clash"}


def test_the_same_block_twice_is_fine():
    assert check_all({**MODELS, "ecg-loader-2": MODELS["ecg-loader"]}) == []


def test_ports_of_two_blocks_must_differ_by_type():
    other = GOOD.replace(
        "  double hours = 1;\n  bytes content = 2;",
        "  string a = 1;\n  int32 b = 2;\n  int32 c = 3;\n  bool d = 4;\n"
        "  string e = 5;\n  int32 f = 6;\n  double g = 7;\n  string h = 8;")
    assert check(other) == []
    problems = check_all({**MODELS, "other": other})
    assert rules(problems) == {"ambiguous"}
    assert "EcgBatch" in problems[0].text and "Part" in problems[0].text


def test_problems_of_several_files_name_the_block():
    problems = check_all({"good": GOOD, "bad": GOOD.replace("bytes", "int16")})
    assert any(entry.text.startswith("bad: Part.content")
               for entry in problems)
