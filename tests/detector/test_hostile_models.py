"""
Hostile models: each is refused with its rule, none runs code or crashes.

Each artefact is a model folder. If its forest was tampered with, the digest
and the model id on the card match again, as an attacker would do, so that
only the tested check can find it. Forked children load them, which may die.
"""

import functools
import hashlib
import io
import json
import os
import pickle
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

import joblib
import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from aura.detector import trees
from aura.detector.model import Model, load_model, save_model

CHILD = """
import json, os, resource, signal, sys
from pathlib import Path
import numpy as np
from aura.detector.model import load_model, predict_probability
from aura.errors import AuraError
import skops.io

def outcome(folder):
    try:
        model = load_model(Path(folder))
        predict_probability(model, np.zeros((100, 6), np.float32))
        return "loaded"
    except AuraError as error:
        return error.rule
    except BaseException as error:
        return "untyped " + repr(error)

for folder in json.load(sys.stdin):
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_AS, (3 * 2 ** 30,) * 2)
        signal.alarm(10)
        os.write(writer, outcome(folder).encode())
        os._exit(0)
    os.close(writer)
    status = os.waitpid(child, 0)[1]
    answer = os.read(reader, 10000).decode()
    os.close(reader)
    print(json.dumps([folder, answer, status]), flush=True)
"""


class Bomb:
    """What a hostile pickle does: run a command."""

    canary = ""

    def __reduce__(self):
        return os.system, (f"touch {Bomb.canary}",)


@functools.cache
def good_files() -> dict[str, bytes]:
    """The two files of an unchanged model."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(600, 6)).astype(np.float32)
    x[::9, 2] = np.nan
    y = (x[:, 0] + .5 * x[:, 1] > .5).astype(int)
    forest = RandomForestClassifier(
        5, max_depth=6, min_samples_leaf=5, random_state=1).fit(x, y)
    model = Model(forest, "schema", tuple("abcdef"), ("ms",) * 6, 1.0,
                  (10.0, 60.0), {"threshold": .5}, {"seed": 1})
    with tempfile.TemporaryDirectory() as folder:
        save_model(Path(folder), model)
        return {path.name: path.read_bytes()
                for path in Path(folder).iterdir()}


class Artefact:
    """A model folder whose parts can be changed one by one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for name, data in good_files().items():
            (folder / name).write_bytes(data)
        self.file = folder / "model.skops"
        self.card = json.loads((folder / "card.json").read_text())
        with zipfile.ZipFile(self.file) as archive:
            self.members = {name: archive.read(name)
                            for name in archive.namelist()}
        self.schema = json.loads(self.members["schema.json"])

    @property
    def attributes(self):
        return self.schema["content"]["content"]

    def member(self, number=0):
        return self.attributes["estimators_"]["content"][number]

    def tree(self, number=0):
        return self.member(number)["content"]["content"]["tree_"]

    def state(self, number=0):
        return self.tree(number)["content"]["content"]

    def args(self, number=0):
        return self.tree(number)["__reduce__"]["args"]["content"]

    def array(self, node):
        return np.load(io.BytesIO(self.members[node["file"]])).copy()

    def store(self, node, array):
        stream = io.BytesIO()
        np.save(stream, array)
        self.members[node["file"]] = stream.getvalue()

    def nodes(self, change, number=0):
        """Change the node table of a tree in place."""
        node = self.state(number)["nodes"]
        array = self.array(node)
        change(array, np.flatnonzero(array["left_child"] != -1),
               np.flatnonzero(array["left_child"] == -1))
        self.store(node, array)

    def values(self, change):
        node = self.state()["values"]
        array = self.array(node)
        change(array)
        self.store(node, array)

    def pack(self, packing=zipfile.ZIP_DEFLATED, extra=()):
        """Write the members, and make the card match them."""
        self.members["schema.json"] = json.dumps(self.schema).encode()
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", packing) as archive:
            for name, content in [*self.members.items(), *extra]:
                archive.writestr(name, content)
        self.put(stream.getvalue())
        self.card["model_id"] = self.identity()
        self.write_card()

    def put(self, content):
        self.file.write_bytes(content)
        self.card["sha256"] = hashlib.sha256(content).hexdigest()
        self.write_card()

    def write_card(self):
        (self.folder / "card.json").write_text(json.dumps(self.card))

    def identity(self):
        """The model id that this forest has, if it can have one."""
        try:
            found = []
            for number in range(len(self.attributes["estimators_"]
                                    ["content"])):
                state = {key: self.array(self.state(number)[key])
                         for key in ("nodes", "values")}
                state["max_depth"] = 0
                found.append(SimpleNamespace(tree_=SimpleNamespace(
                    __getstate__=lambda state=state: state)))
            model = Model(
                SimpleNamespace(estimators_=found), "schema",
                tuple("abcdef"), ("ms",) * 6, 1.0, (10.0, 60.0),
                {"threshold": .5}, {"seed": 1})
            return model.model_id
        except (LookupError, ValueError, TypeError, MemoryError):
            return self.card["model_id"]


def scalar(value):
    return {"__class__": "str", "__module__": "builtins",
            "__loader__": "JsonNode", "content": json.dumps(value),
            "is_json": True}


def schema(change):
    """An artefact with a change in its forest, packed again."""
    def make(it):
        change(it)
        it.pack()
    return make


def nodes(change):
    return schema(lambda it: it.nodes(change))


def values(change):
    return schema(lambda it: it.values(change))


def card(**entries):
    """An artefact with other entries on the card."""
    def make(it):
        it.card.update(entries)
        it.write_card()
    return make


def content(change, consistent=True):
    """An artefact whose file has other bytes."""
    def make(it):
        changed = change(it.file.read_bytes())
        if consistent:
            it.put(changed)
        else:
            it.file.write_bytes(changed)
    return make


def put(array, field, index, value):
    array[field][index] = value


def chain(it, length=5000):
    """A tree that is one long chain."""
    table = np.zeros(2 * length + 1, trees.NODE)
    table["left_child"] = table["right_child"] = -1
    inner = np.arange(0, 2 * length, 2)
    table["left_child"][inner] = inner + 1
    table["right_child"][inner] = inner + 2
    share = np.full((len(table), 1, 2), .5)
    it.store(it.state()["nodes"], table)
    it.store(it.state()["values"], share)
    it.state()["node_count"] = scalar(len(table))
    it.state()["max_depth"] = scalar(length)


def flip(position):
    def change(data):
        index = int(position * len(data))
        return data[:index] + bytes([data[index] ^ 16]) + data[index + 1:]
    return change


def header_bomb(it):
    node = it.state()["values"]
    head = b"{'descr': '<f8', 'fortran_order': False, "
    head += b"'shape': (1000000000000,), }"
    head += b" " * (117 - len(head)) + b"\n"
    it.members[node["file"]] = (b"\x93NUMPY\x01\x00"
                                + struct.pack("<H", len(head)) + head)


def object_array(it):
    stream = io.BytesIO()
    np.save(stream, np.array([Bomb()], object), allow_pickle=True)
    it.members[it.state()["values"]["file"]] = stream.getvalue()


def alias(it):
    """Name a node like another: skops would take the other one."""
    for node in (it.attributes["n_jobs"], it.args()[0]):
        node["__id__"] = 7


def hidden_tree(it):
    """A tree that skops would build beside those of the forest."""
    it.attributes["estimator"]["content"]["content"]["tree_"] = it.tree()
    it.attributes["estimator"]["content"]["key_types"]["content"].append(
        dict(it.schema["content"]["key_types"]["content"][0]))


def add_attribute(it, name, node):
    it.attributes[name] = node
    it.schema["content"]["key_types"]["content"].append(
        dict(it.schema["content"]["key_types"]["content"][0]))


def retype(node, loader, module, name):
    node.update({"__loader__": loader, "__module__": module,
                 "__class__": name})


def replace(path, make):
    path.unlink()
    make(path)


def outside(path):
    other = path.parent.parent / (path.parent.name + ".target")
    other.write_bytes(b"outside")
    path.symlink_to(other)


TREE = {
    "child beyond the end": nodes(
        lambda a, i, j: put(a, "left_child", i[0], len(a) + 5)),
    "child far beyond": nodes(
        lambda a, i, j: put(a, "right_child", i[0], 2 ** 62)),
    "child below zero": nodes(
        lambda a, i, j: put(a, "left_child", i[0], -7)),
    "node is its own child": nodes(
        lambda a, i, j: put(a, "left_child", i[1], i[1])),
    "way back to the root": nodes(
        lambda a, i, j: put(a, "right_child", i[-1], 0)),
    "way back to a parent": nodes(
        lambda a, i, j: put(a, "left_child", a["left_child"][0], 0)),
    "two ways to a node": nodes(
        lambda a, i, j: put(a, "left_child", i[0], a["right_child"][i[0]])),
    "node out of reach": nodes(
        lambda a, i, j: put(a, ["left_child", "right_child"], i[-1], -1)),
    "one child only": nodes(
        lambda a, i, j: put(a, "right_child", j[0], j[1])),
    "feature beyond the end": nodes(
        lambda a, i, j: put(a, "feature", i[0], 6)),
    "feature far beyond": nodes(
        lambda a, i, j: put(a, "feature", i[0], 2 ** 40)),
    "feature below zero": nodes(
        lambda a, i, j: put(a, "feature", i[2], -2)),
    "threshold is no number": nodes(
        lambda a, i, j: put(a, "threshold", i[0], np.nan)),
    "threshold below all": nodes(
        lambda a, i, j: put(a, "threshold", i[0], -np.inf)),
    "third way for the missing": nodes(
        lambda a, i, j: put(a, "missing_go_to_left", i[0], 7)),
    "probability above one": values(lambda a: np.multiply(a, 2, out=a)),
    "probability below zero": values(
        lambda a: a.__setitem__(slice(None), [[-1, 2]])),
    "probability is no number": values(lambda a: a.fill(np.nan)),
    "probabilities sum to less": values(lambda a: a.fill(.4)),
    "five thousand levels": schema(chain),
    "more nodes stated than stored": schema(
        lambda it: it.state().update(node_count=scalar(10 ** 9))),
    "fewer nodes stated": schema(
        lambda it: it.state().update(node_count=scalar(1))),
    "depth stated wrongly": schema(
        lambda it: it.state().update(max_depth=scalar(1))),
    "depth is text": schema(
        lambda it: it.state().update(max_depth=scalar("deep"))),
    "a billion outputs": schema(
        lambda it: it.args().__setitem__(2, scalar(10 ** 9))),
    "tree for more features": schema(
        lambda it: it.args().__setitem__(0, scalar(600))),
    "tree for more classes": schema(
        lambda it: it.store(it.args()[1], np.array([10 ** 9]))),
    "classes of a tree missing": schema(
        lambda it: it.store(it.args()[1], np.array([], np.int64))),
    "no nodes": schema(
        lambda it: it.store(it.state()["nodes"], np.empty(0, trees.NODE))),
    "nodes of another form": schema(
        lambda it: it.store(it.state()["nodes"], np.zeros((9, 8)))),
    "values of another shape": schema(
        lambda it: it.store(it.state()["values"], np.zeros((3, 1, 2)))),
    "more trees stated than stored": schema(
        lambda it: it.attributes.update(n_estimators=scalar(6))),
    "classes swapped": schema(
        lambda it: it.store(it.attributes["classes_"], np.array([1, 0]))),
    "three classes": schema(
        lambda it: it.store(it.attributes["classes_"], np.arange(3))),
    "classes of a tree swapped": schema(
        lambda it: it.store(it.member()["content"]["content"]["classes_"],
                            np.array([1., 0.]))),
    "forest for more features": schema(
        lambda it: it.attributes.update(n_features_in_=scalar(7))),
    "forest with more outputs": schema(
        lambda it: it.attributes.update(n_outputs_=scalar(2))),
    "truth in place of a number": schema(
        lambda it: it.attributes.update(n_outputs_=scalar(True))),
    "member is no tree": schema(
        lambda it: it.attributes["estimators_"]["content"].__setitem__(
            0, scalar(3))),
    "attribute hides a method": schema(
        lambda it: add_attribute(it, "predict_proba", scalar("x"))),
    "tree beside the forest": schema(hidden_tree),
}
FILE = {
    "pickle renamed": ("model.untrusted", content(
        lambda data: pickle.dumps(Bomb()))),
    "old pickle renamed": ("model.damaged", content(
        lambda data: pickle.dumps(Bomb(), protocol=0))),
    "joblib renamed": ("model.untrusted", content(
        lambda data: joblib_bytes(Bomb()))),
    "pickle among the members": ("model.damaged", schema(
        lambda it: it.members.update(
            {it.state()["nodes"]["file"]: pickle.dumps(Bomb())}))),
    "pickle in an array": ("model.damaged", schema(object_array)),
    "array declared huge": ("model.damaged", schema(header_bomb)),
    "zip bomb": ("model.size", schema(
        lambda it: it.members.update({"big.npy": bytes(300 * 2 ** 20)}))),
    "bomb of types": ("model.size", lambda it: it.put(zipped(
        {"schema.json": b" " * (20 * 2 ** 20)}))),
    "thirty thousand members": ("model.size", lambda it: it.put(zipped(
        {str(n): b"" for n in range(30_000)}))),
    "nesting bomb": ("model.damaged", lambda it: it.put(zipped(
        {"schema.json": b"[" * 10 ** 6}))),
    "no list of types": ("model.damaged", lambda it: it.put(zipped(
        {"a.npy": b""}))),
    "types are no JSON": ("model.damaged", lambda it: it.put(zipped(
        {"schema.json": b"{"}))),
    "types are a number": ("model.damaged", lambda it: it.put(zipped(
        {"schema.json": b"1"}))),
    "empty file": ("model.damaged", content(lambda data: b"")),
    "cut off": ("model.digest", content(lambda data: data[:-9], False)),
    "cut off, card matches": ("model.damaged", content(
        lambda data: data[:len(data) // 2])),
    "bit flipped": ("model.digest", content(flip(.3), False)),
    **{f"bit flipped at {place}, card matches": ("model.damaged", content(
        flip(place))) for place in (.05, .2, .35, .5, .65, .8)},
    "member unpacks in another way": ("model.damaged", lambda it: it.pack(
        zipfile.ZIP_LZMA)),
    "function instead of a value": ("model.untrusted", schema(
        lambda it: retype(it.attributes["n_jobs"], "FunctionNode",
                          "os", "system"))),
    "trusted function": ("model.untrusted", schema(
        lambda it: retype(it.attributes["n_jobs"], "FunctionNode",
                          "numpy", "add"))),
    "method": ("model.untrusted", schema(
        lambda it: retype(it.attributes["n_jobs"], "MethodNode",
                          "builtins", "str"))),
    "class of another module": ("model.untrusted", schema(
        lambda it: retype(it.member(), "ObjectNode", "subprocess",
                          "Popen"))),
    "estimator of another kind": ("model.untrusted", schema(
        lambda it: retype(it.schema, "ObjectNode", "sklearn.svm._classes",
                          "SVC"))),
    "a tree in place of a forest": ("model.untrusted", schema(
        lambda it: setattr(it, "schema", {
            **it.member(), "protocol": 2, "_skops_version": "0"}))),
    "older protocol": ("model.damaged", schema(
        lambda it: it.schema.update(protocol=0))),
    "two nodes of one id": ("model.damaged", schema(alias)),
    "name without a type": ("model.damaged", schema(
        lambda it: it.schema["content"]["key_types"]["content"].pop())),
    "list where a number belongs": ("model.damaged", schema(
        lambda it: it.attributes["n_jobs"].update(content="[1]"))),
    "array from nowhere": ("model.damaged", schema(
        lambda it: it.state()["nodes"].update(file="../card.json"))),
    "model is a pipe": ("path.not_regular", lambda it: replace(
        it.file, os.mkfifo)),
    "model is a folder": ("path.not_regular", lambda it: replace(
        it.file, os.mkdir)),
    "model is a link that leads out": ("path.outside", lambda it: replace(
        it.file, outside)),
    "model is a link to itself": ("path.loop", lambda it: replace(
        it.file, lambda path: path.symlink_to(path))),
    "model missing": ("model.missing", lambda it: it.file.unlink()),
}
CARD = {
    "missing": ("model.missing", lambda it: (
        it.folder / "card.json").unlink()),
    "a pipe": ("path.not_regular", lambda it: replace(
        it.folder / "card.json", os.mkfifo)),
    "no JSON": ("model.card", lambda it: (
        it.folder / "card.json").write_text("{")),
    "nested": ("model.card", lambda it: (
        it.folder / "card.json").write_text("[" * 10 ** 6)),
    "a list": ("model.card", lambda it: (
        it.folder / "card.json").write_text("[]")),
    "no text at all": ("model.card", lambda it: (
        it.folder / "card.json").write_bytes(bytes(range(256)))),
    "huge": ("model.size", lambda it: (
        it.folder / "card.json").write_text(" " * (5 * 2 ** 20))),
    "digest missing": ("model.card", lambda it: (
        it.card.pop("sha256"), it.write_card())),
    "digest is a number": ("model.card", card(sha256=1)),
    "digest is not ASCII": ("model.card", card(sha256="é" * 64)),
    "digest of another": ("model.digest", card(sha256="0" * 64)),
    "id of another": ("model.id", card(model_id="0" * 64)),
    "format of the future": ("model.card", card(format=2)),
    "features reordered": ("model.id", card(features=[
        {"name": name, "unit": "ms"} for name in "bacdef"])),
    "feature twice": ("model.card", card(features=[
        {"name": name, "unit": "ms"} for name in "aacdef"])),
    "feature missing": ("model.tree", card(features=[
        {"name": name, "unit": "ms"} for name in "abcde"])),
    "features are text": ("model.card", card(features="abcdef")),
    "feature without unit": ("model.card", card(features=["a", "b"])),
    "another schema": ("model.id", card(schema_id="other")),
    "threshold changed": ("model.id", card(alarm={"threshold": .1})),
    "threshold is text": ("model.card", card(alarm={"threshold": "x"})),
    "threshold is no number": ("model.card", card(
        alarm={"threshold": float("nan")})),
    "windows are one": ("model.card", card(windows_s=10)),
    "hop is zero": ("model.card", card(hop_s=0)),
    "hop is true": ("model.card", card(hop_s=True)),
    "setting is a list": ("model.card", card(settings={"seed": [1]})),
    "other scikit-learn": ("model.version", card(
        versions={"scikit-learn": "1.2.0"})),
    "no scikit-learn": ("model.card", card(versions={"numpy": "2"})),
}
CASES = {
    **{f"tree: {name}": ("model.tree", make) for name, make in TREE.items()},
    **{f"file: {name}": case for name, case in FILE.items()},
    **{f"card: {name}": case for name, case in CARD.items()},
    "good": ("loaded", lambda it: None),
    "good, packed by another": ("loaded", lambda it: it.pack()),
}


def joblib_bytes(what):
    stream = io.BytesIO()
    joblib.dump(what, stream)
    return stream.getvalue()


def zipped(members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Rule and exit status of loading each artefact."""
    root = tmp_path_factory.mktemp("artefacts")
    Bomb.canary = str(root / "canary")
    folders = {}
    for number, (name, (_, make)) in enumerate(CASES.items()):
        folders[name] = root / f"{number:03d}"
        make(Artefact(folders[name]))
    done = subprocess.run(
        [sys.executable, "-c", CHILD], capture_output=True, text=True,
        input=json.dumps([str(folder) for folder in folders.values()]),
        timeout=120)
    found = {folder: (rule, status) for folder, rule, status
             in map(json.loads, done.stdout.splitlines())}
    assert not Path(Bomb.canary).exists(), "an artefact has run code"
    return {name: found[str(folder)] for name, folder in folders.items()}


@pytest.mark.parametrize("name", CASES)
def test_an_artefact_is_refused_with_its_rule_and_no_crash(outcomes, name):
    assert outcomes[name] == (CASES[name][0], 0)


def test_there_are_enough_artefacts():
    assert len(CASES) >= 100


@pytest.mark.parametrize("name", [
    "probability above one", "threshold below all",
    "third way for the missing", "probabilities sum to less"])
def test_only_the_tree_check_sees_a_tampered_tree(
        tmp_path, monkeypatch, name):
    TREE[name](Artefact(tmp_path / "model"))
    monkeypatch.setattr(trees, "check", lambda *args: None)
    assert load_model(tmp_path / "model").features == tuple("abcdef")


def test_the_canary_finds_code_that_runs(tmp_path):
    Bomb.canary = str(tmp_path / "canary")
    joblib.load(io.BytesIO(joblib_bytes(Bomb())))
    assert Path(Bomb.canary).exists()
