"""Each text of a ``rules.toml`` gets the names that it has in braces."""

import ast
import re
import tomllib
from pathlib import Path
from string import Formatter

import pytest

ROOT = Path(__file__).resolve().parents[2] / "src/aura"
TABLES = sorted(path.relative_to(ROOT).as_posix()
                for path in ROOT.rglob("rules.toml"))
SAYING = ("RULES.of", "RULES.error", "RULES.warning", "broken", "complain")


def keys(node, prefix):
    """What the first argument of a call can be, as a regular expression."""
    if isinstance(node, ast.IfExp):
        yield from keys(node.body, prefix)
        yield from keys(node.orelse, prefix)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield re.escape(prefix + node.value)
    elif isinstance(node, ast.JoinedStr):
        yield prefix + "".join(
            re.escape(part.value) if isinstance(part, ast.Constant)
            else r"\w+" for part in node.values)


def said(package):
    """Rules that the code of a package names, each with its facts."""
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func).removeprefix("proto.")
            facts = {one.arg for one in node.keywords}
            if name in SAYING and None not in facts:
                for key in keys(node.args[0],
                                "proto." if name == "complain" else ""):
                    yield key, facts


@pytest.mark.parametrize("table", TABLES)
def test_a_text_gets_all_names_in_its_braces(table):
    texts = tomllib.loads((ROOT / table).read_text("utf-8"))
    texts.pop("way_out", None)
    calls = list(said(Path(table).parent))
    assert all(any(re.fullmatch(key, one) for one in texts)
               for key, _ in calls)
    for rule, known in texts.items():
        names = {re.split(r"[.\[]", field)[0] for _, field, _, _ in
                 Formatter().parse(known["text"] + known.get("fix", ""))
                 if field is not None}
        facts = ([given for key, given in calls if key == re.escape(rule)]
                 or [given for key, given in calls if re.fullmatch(key, rule)])
        assert facts, f"nothing uses {rule}"
        for given in facts:
            assert names <= given, rule
