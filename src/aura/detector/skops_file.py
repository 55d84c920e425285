"""
The content of ``model.skops``: a ZIP with arrays and one JSON of types.

skops rejects types that the caller does not trust, but builds trusted types
without checking their content. A forest needs trust in trees. This module
therefore reads the file first as plain values. skops reads it only after
every number has been checked.
"""

import io
import json
import math
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aura.errors import CorruptDataError, ForbiddenError, ResourceError

SCHEMA = "schema.json"
PROTOCOL = 2
MAX_FILE_BYTES = 64 * 2 ** 20
MAX_CONTENT_BYTES = 256 * 2 ** 20
MAX_SCHEMA_BYTES = 16 * 2 ** 20
MAX_MEMBERS = 20_000
MAX_NESTING = 24

FOREST = "RandomForestClassifier"
DECISION_TREE = "DecisionTreeClassifier"
TREE = "Tree"

# All types that a forest is made of.
KNOWN = {
    ("ObjectNode", "sklearn.ensemble._forest", FOREST),
    ("ObjectNode", "sklearn.tree._classes", DECISION_TREE),
    ("TreeNode", "sklearn.tree._tree", TREE),
    ("NdArrayNode", "numpy", "ndarray"),
    ("NdArrayNode", "numpy", "int64"),
    ("DictNode", "builtins", "dict"),
    ("ListNode", "builtins", "list"),
    ("TupleNode", "builtins", "tuple"),
    ("JsonNode", "builtins", "str"),
}
TRUSTED = ["sklearn.tree._tree.Tree"]
# No node may have an id: skops replaces a node by another with the same id.
PLACES = {"__class__", "__module__", "__loader__"}
EXTRAS = {"ObjectNode": {"content"}, "DictNode": {"content", "key_types"},
          "ListNode": {"content"}, "TupleNode": {"content"},
          "JsonNode": {"content", "is_json"}, "NdArrayNode": {"type", "file"},
          "TreeNode": {"content", "__reduce__"}}
KEY_TYPE = {"__loader__": "TypeNode", "__module__": "builtins",
            "__class__": "str"}

DAMAGE = (zipfile.BadZipFile, zlib.error, LookupError, ValueError, TypeError,
          AttributeError, EOFError, OverflowError, RuntimeError)


class Built(dict[str, Any]):
    """The attributes of an object, with the name of its type."""

    def __init__(self, kind: str, attributes: dict[str, Any]) -> None:
        super().__init__(attributes)
        self.kind = kind


def read(content: bytes) -> Built:
    """Read a skops file as plain values, without building an object."""
    if content[:1] == b"\x80":
        raise untrusted("a pickle, which can run any code")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check_members(archive.infolist())
            schema = json.loads(archive.read(SCHEMA))
            root = _build(schema, archive, 0)
    except DAMAGE:
        raise damaged("this is not a complete skops file") from None
    if not isinstance(root, Built) or root.kind != FOREST:
        raise untrusted("not a random forest")
    return root


def count(value: Any, kind: str) -> int:
    """Number of objects of a kind in the result of `read`."""
    if isinstance(value, dict):
        own = isinstance(value, Built) and value.kind == kind
        return own + sum(count(item, kind) for item in value.values())
    if isinstance(value, (list, tuple)):
        return sum(count(item, kind) for item in value)
    return 0


def load(content: bytes) -> Any:
    """Build the forest of a file that `read` accepted."""
    # Imported here: it takes a second.
    import warnings

    import skops.io  # type: ignore[import-untyped]
    from sklearn.exceptions import (  # type: ignore[import-untyped]
        InconsistentVersionWarning,
    )

    with warnings.catch_warnings():
        # The caller compares the version without its patch level.
        warnings.simplefilter("ignore", InconsistentVersionWarning)
        try:
            return skops.io.loads(content, trusted=TRUSTED)
        except DAMAGE:
            raise damaged("this forest cannot be built") from None


def dump(forest: Any) -> bytes:
    """
    Bytes of a skops file, equal for equal forests.

    skops names arrays by their place in memory and adds the time. Here they
    are numbered in order, and the time is the ZIP epoch.
    """
    import skops.io

    stored = io.BytesIO(skops.io.dumps(forest))
    packed = io.BytesIO()
    with (zipfile.ZipFile(stored) as source,
          zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target):
        schema = json.loads(source.read(SCHEMA))
        names: dict[str, str] = {}
        for node in _nodes(schema):
            node.pop("__id__", None)
            if "file" in node:
                name = names.setdefault(node["file"], f"{len(names)}.npy")
                node["file"] = name
        for old, new in names.items():
            _put(target, new, source.read(old))
        _put(target, SCHEMA, json.dumps(
            schema, separators=(",", ":")).encode("ascii"))
    return packed.getvalue()


def damaged(text: str) -> CorruptDataError:
    """The error for a file that is incomplete or not a model."""
    return CorruptDataError(
        "model.damaged", text,
        "download the model again, or run `aura train` again")


def untrusted(text: str) -> ForbiddenError:
    """The error for a file that contains more than a forest."""
    return ForbiddenError(
        "model.untrusted", f"this file is {text}",
        "use a model that `aura train` wrote")


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield all nodes of a schema in its order."""
    if isinstance(schema, dict):
        if "__loader__" in schema:
            yield schema
        for value in schema.values():
            yield from _nodes(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _nodes(value)


def _put(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name)
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, content)


def _check_members(members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MAX_MEMBERS:
        raise _too_large(len(members), "members", MAX_MEMBERS)
    size = sum(member.file_size for member in members)
    if size > MAX_CONTENT_BYTES:
        raise _too_large(size, "bytes unpacked", MAX_CONTENT_BYTES)
    for member in members:
        if (member.filename == SCHEMA
                and member.file_size > MAX_SCHEMA_BYTES):
            raise _too_large(
                member.file_size, "bytes of types", MAX_SCHEMA_BYTES)
        if member.compress_type not in (zipfile.ZIP_STORED,
                                        zipfile.ZIP_DEFLATED):
            raise damaged("a member has an unknown compression")
    if len({member.filename for member in members}) < len(members):
        raise damaged("two members have the same name")


def _too_large(found: int, unit: str, limit: int) -> ResourceError:
    return ResourceError(
        "model.size", f"the model has {found} {unit}, {limit} are allowed",
        "train a smaller forest")


def _build(node: Any, archive: zipfile.ZipFile, depth: int) -> Any:
    """The plain value of a node."""
    if depth > MAX_NESTING:
        raise damaged("the objects are nested too deeply")
    loader = _known(node, root=depth == 0)
    content = node.get("content")
    if loader == "JsonNode":
        return _scalar(node)
    if loader == "NdArrayNode":
        return _array(node, archive)
    if loader in ("ListNode", "TupleNode"):
        items = [_build(item, archive, depth + 1) for item in content]
        return items if loader == "ListNode" else tuple(items)
    if loader == "DictNode":
        _check_keys(node)
        return {key: _build(value, archive, depth + 1)
                for key, value in content.items()}
    attributes = _build(content, archive, depth + 1)
    if not isinstance(attributes, dict):
        raise damaged("an object has no attributes")
    if loader == "TreeNode":
        if set(node["__reduce__"]) != {"args"}:
            raise damaged("a tree has an unknown constructor")
        attributes["args"] = _build(
            node["__reduce__"]["args"], archive, depth + 1)
    return Built(node["__class__"], attributes)


def _known(node: Any, *, root: bool) -> str:
    """The loader of a node, if its type can be part of a forest."""
    kind = (node["__loader__"], node["__module__"], node["__class__"])
    if kind not in KNOWN:
        raise untrusted("not made of a forest alone")
    loader = str(kind[0])
    allowed = PLACES | EXTRAS[loader]
    if root:
        allowed |= {"protocol", "_skops_version"}
        if node["protocol"] != PROTOCOL:
            raise damaged("the skops protocol is another one")
    if set(node) != allowed:
        raise damaged("a node has unknown or missing fields")
    return loader


def _check_keys(node: dict[str, Any]) -> None:
    # skops pairs keys with their types and drops keys without a type.
    types = node["key_types"]
    if _known(types, root=False) != "ListNode":
        raise damaged("the types of keys are not a list")
    if types["content"] != [KEY_TYPE] * len(node["content"]):
        raise damaged("a key is not text")


def _scalar(node: dict[str, Any]) -> str | int | float | bool | None:
    value = json.loads(node["content"]) if node["is_json"] is True else ()
    if value is not None and not isinstance(value, (str, int, float, bool)):
        raise damaged("a value is neither a number nor text")
    return value


def _array(node: dict[str, Any], archive: zipfile.ZipFile) -> NDArray[Any]:
    stream = io.BytesIO(archive.read(node["file"]))
    if (node["type"] != "numpy" or node["file"] == SCHEMA
            or np.lib.format.read_magic(stream) != (1, 0)):
        raise damaged("an array has an unknown format")
    shape, _, kind = np.lib.format.read_array_header_1_0(stream)
    size = kind.itemsize * math.prod(shape)
    # numpy would first allocate whatever size the header declares.
    if kind.hasobject or size != len(stream.getbuffer()) - stream.tell():
        raise damaged("an array does not have the declared length")
    stream.seek(0)
    array: NDArray[Any] = np.load(stream, allow_pickle=False)
    return array
