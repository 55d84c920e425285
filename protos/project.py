"""
Generates files from ``aura.proto``, or lists those that are out of date.

These are the Python modules in ``src/aura/rpc`` and a self-contained
``model.proto`` of each block. They are committed, because images and the
platform's onboarding need them without a compiler.

    python protos/project.py            write the files that have changed
    python protos/project.py --check    only compare; exit 1 on a difference
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)

from aura.blocks import BLOCKS
from aura.platform.proto_rules import check_all

ROOT = Path(__file__).resolve().parents[1]
# In the folder of the generated module, so that its import is absolute.
SOURCE = "aura/rpc/aura.proto"
GENERATED = "# Generated from protos/aura.proto by 'make protos'; do not edit."
PROJECTED = "// Projected from protos/aura.proto by make protos. Do not edit."


def main(argv: list[str] | None = None) -> int:
    """Write or check all files; 1 if a check finds a difference."""
    parser = argparse.ArgumentParser(
        description="Generate modules and blocks' protos from aura.proto.")
    parser.add_argument(
        "--check", action="store_true",
        help="change nothing; exit 1 if a file is out of date")
    check = parser.parse_args(argv).check
    products = project(ROOT / "protos")
    stale = [path for path, text in products.items()
             if not path.is_file() or path.read_text("utf-8") != text]
    for path in stale:
        print(f"{path.relative_to(ROOT)}: "
              + ("out of date; run 'make protos'" if check else "written"))
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(products[path], "utf-8", newline="\n")
    return 1 if check and stale else 0


def project(folder: Path) -> dict[Path, str]:
    """Content of each file that is generated from a folder's ``aura.proto``.
    """
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary)
        products = _modules(folder, out)
        source = FileDescriptorSet.FromString(
            (out / "descriptors").read_bytes()).file[0]
    models = {block.name: model(source, block.service) for block in BLOCKS}
    problems = check_all(models)
    if problems:
        raise SystemExit("\n".join(entry.text for entry in problems))
    for block in BLOCKS:
        products[ROOT / "blocks" / block.folder / "model.proto"] = (
            models[block.name])
    return products


def _modules(folder: Path, out: Path) -> dict[Path, str]:
    run = subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc",
         f"--proto_path=aura/rpc={folder}", f"--python_out={out}",
         f"--pyi_out={out}",
         f"--descriptor_set_out={out / 'descriptors'}", SOURCE])
    if run.returncode:
        raise SystemExit("protos/aura.proto does not compile")
    products = {}
    for path in sorted((out / "aura" / "rpc").iterdir()):
        # The compiler's own comments say no more than this one.
        code = re.sub(r"^#.*\n", "", path.read_text("utf-8"), flags=re.M)
        code = re.sub(r"\n{4,}", "\n\n\n", code)
        # Places in the text, which only a copy of a descriptor would need.
        code = code.partition("if not _descriptor._USE_C_DESCRIPTORS")[0]
        products[ROOT / "src" / "aura" / "rpc" / path.name] = "\n".join(
            ["# flake8: noqa", GENERATED, code])
    return products


def model(source: FileDescriptorProto, name: str) -> str:
    """The ``model.proto`` of a service, in the layout that all parsers read.
    """
    services = {entry.name: entry for entry in source.service}
    service = services[name]
    wanted = _needed(source, service)
    parts = ['syntax = "proto3";\n', f"{PROJECTED}\n"]
    parts += [_message(entry) for entry in source.message_type
              if entry.name in wanted]
    parts.append(_service(service))
    return "\n".join(parts)


def _needed(source: FileDescriptorProto,
            service: ServiceDescriptorProto) -> set[str]:
    messages = {entry.name: entry for entry in source.message_type}
    names = [kind.lstrip(".") for method in service.method
             for kind in (method.input_type, method.output_type)]
    needed: set[str] = set()
    while names:
        name = names.pop()
        if name not in needed:
            needed.add(name)
            names += [field.type_name.lstrip(".")
                      for field in messages[name].field if field.type_name]
    return needed


def _message(message: DescriptorProto) -> str:
    lines = [f"  {_type(field)} {field.name} = {field.number};\n"
             for field in message.field]
    return f"message {message.name} {{\n{''.join(lines)}}}\n"


def _type(field: FieldDescriptorProto) -> str:
    name = FieldDescriptorProto.Type.Name(field.type)
    scalar = name.removeprefix("TYPE_").lower()
    repeated = field.label == FieldDescriptorProto.LABEL_REPEATED
    return (("repeated " if repeated else "")
            + (field.type_name.lstrip(".") or scalar))


def _service(service: ServiceDescriptorProto) -> str:
    lines = []
    for method in service.method:
        given = "stream " * method.client_streaming + method.input_type[1:]
        answer = "stream " * method.server_streaming + method.output_type[1:]
        lines.append(f"  rpc {method.name}({given}) returns ({answer});\n")
    return f"service {service.name} {{\n{''.join(lines)}}}\n"


if __name__ == "__main__":
    sys.exit(main())
