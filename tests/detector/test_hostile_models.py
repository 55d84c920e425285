"""
Hostile models: each is refused with its rule, and none runs code.

Each artefact is a model folder. If its forest was tampered with, the digest
and the model id on the card match again, as an attacker would do, so that
only the tested check can find it.
"""

import functools
import hashlib
import io
import json
import os
import pickle
import tempfile
import tracemalloc
import zipfile
from pathlib import Path
from types import SimpleNamespace

import joblib
import numpy as np
import pytest
from hypothesis import event, given, strategies as st
from sklearn.ensemble import RandomForestClassifier

from aura.detector import trees
from aura.detector.model import (
    Model,
    load_model,
    save_model,
)
from aura.detector.trees import HEAD_BYTES, LEAF, MAX_BYTES, MAX_TREES, NODE
from aura.errors import AuraError, CorruptDataError


class Bomb:
    """What a hostile pickle does: run a command."""

    canary = ""

    def __reduce__(self):
        return os.system, (f"touch {Bomb.canary}",)


def model(forest):
    return Model(forest, "schema", tuple("abcdef"), ("ms",) * 6, 1.0,
                 (10.0, 60.0), {"threshold": .5}, {"seed": 1})


@functools.cache
def good_files() -> dict[str, bytes]:
    """The two files of an unchanged model."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(600, 6)).astype(np.float32)
    x[::9, 2] = np.nan
    y = (x[:, 0] + .5 * x[:, 1] > .5).astype(int)
    forest = RandomForestClassifier(
        5, max_depth=6, min_samples_leaf=5, random_state=1).fit(x, y)
    with tempfile.TemporaryDirectory() as folder:
        save_model(Path(folder), model(trees.of(forest)))
        return {path.name: path.read_bytes()
                for path in Path(folder).iterdir()}


class Artefact:
    """A model folder whose parts can be changed one by one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for name, data in good_files().items():
            (folder / name).write_bytes(data)
        self.file = folder / "model.npy"
        self.card = json.loads((folder / "card.json").read_text())
        self.nodes = np.load(self.file).copy()

    def pack(self):
        """Write the nodes, and make the card match them."""
        fake = SimpleNamespace(nodes=self.nodes)
        self.card["model_id"] = model(fake).model_id
        self.put(trees.write(fake))

    def put(self, content):
        """Write other bytes, and make the card match them."""
        self.file.write_bytes(content)
        self.card["sha256"] = hashlib.sha256(content).hexdigest()
        self.write_card()

    def write_card(self):
        (self.folder / "card.json").write_text(json.dumps(self.card))


def node(field, value, leaf=False, which=0):
    """An artefact in which one node has another value."""
    def make(it):
        found = np.flatnonzero((it.nodes["feature"] == LEAF) == leaf)
        it.nodes[field][found[which]] = value
        it.pack()
    return make


def nodes(*rows):
    """An artefact with other nodes."""
    def make(it):
        it.nodes = np.array(list(rows), NODE)
        it.pack()
    return make


def card(**entries):
    """An artefact with other entries on the card."""
    def make(it):
        it.card.update(entries)
        it.write_card()
    return make


def card_text(content):
    return lambda it: (it.folder / "card.json").write_bytes(content)


def content(change):
    """An artefact whose file has other bytes; the card matches them."""
    return lambda it: it.put(change(good_files()["model.npy"]))


def unmatched(change):
    """The same, but the card does not match."""
    return lambda it: it.file.write_bytes(change(good_files()["model.npy"]))


def saved(array, **options):
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


def with_header(data, **changes):
    """The same numbers under a header that says something else."""
    head = repr({"descr": NODE.descr, "fortran_order": False,
                 "shape": ((len(data) - HEAD_BYTES) // NODE.itemsize,),
                 **changes})
    return (data[:10] + head.ljust(HEAD_BYTES - 11).encode("ascii") + b"\n"
            + data[HEAD_BYTES:])


def zipped(data):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("nodes.npy", data)
    return stream.getvalue()


def joblib_bytes(what):
    stream = io.BytesIO()
    joblib.dump(what, stream)
    return stream.getvalue()


def replace(name, make):
    def change(it):
        (it.folder / name).unlink()
        make(it.folder / name)
    return change


def outside(path):
    other = path.parent.parent / (path.parent.name + ".target")
    other.write_bytes(good_files()[path.name])
    path.symlink_to(other)


def sparse(size):
    def make(path):
        with path.open("wb") as stream:
            stream.truncate(size)
    return make


SPLIT, END = (0, 0, .5), (LEAF, 0, .5)
TREE = {
    "a split is its own child": nodes(END, SPLIT, END),
    "a split comes after its children": nodes(END, END, SPLIT, END),
    "children are missing": nodes(SPLIT, END),
    "only splits": nodes(SPLIT, SPLIT, SPLIT),
    "no nodes": nodes(),
    "too many trees": nodes(*[END] * (MAX_TREES + 1)),
    "65 levels": nodes(*[SPLIT, *[SPLIT, END] * 64, END, END]),
    "feature beyond the end": node("feature", 6),
    "feature far beyond": node("feature", 2 ** 31 - 1),
    "feature below zero": node("feature", -2),
    "feature far below": node("feature", -2 ** 31),
    "threshold is no number": node("value", np.nan),
    "threshold below all": node("value", -np.inf),
    "third way for the missing": node("missing_left", 2),
    "third way at a leaf": node("missing_left", 255, leaf=True),
    "probability above one": node("value", 1.5, leaf=True, which=-1),
    "probability below zero": node("value", -.5, leaf=True),
    "probability is infinite": node("value", np.inf, leaf=True),
    "probability is no number": node("value", np.nan, leaf=True),
}
FILE = {
    "pickle renamed": ("model.untrusted", content(
        lambda data: pickle.dumps(Bomb()))),
    "old pickle renamed": ("model.untrusted", content(
        lambda data: pickle.dumps(Bomb(), protocol=0))),
    "joblib renamed": ("model.untrusted", content(
        lambda data: joblib_bytes(Bomb()))),
    "ZIP bomb": ("model.untrusted", content(
        lambda data: zipped(bytes(99 * 2 ** 20)))),
    "pickle in an array": ("model.damaged", content(
        lambda data: saved(np.array([Bomb()], object), allow_pickle=True))),
    "pickle under the header of an array": ("model.damaged", content(
        lambda data: with_header(
            data[:HEAD_BYTES] + pickle.dumps(Bomb()), descr="|O"))),
    "array of other numbers": ("model.damaged", content(
        lambda data: saved(np.zeros((99, 8))))),
    "array with other names": ("model.damaged", content(
        lambda data: with_header(data, descr=[
            ("a", "<i4"), ("b", "|u1"), ("c", "<f8")]))),
    "array declared huge": ("model.damaged", content(
        lambda data: with_header(data, shape=(10 ** 12,)))),
    "array declared smaller": ("model.damaged", content(
        lambda data: with_header(data, shape=(1,)))),
    "array of a newer format": ("model.untrusted", content(
        lambda data: data[:6] + b"\x03\x00" + data[8:])),
    "header that nests": ("model.damaged", content(
        lambda data: data[:10] + b"(" * 10 ** 5)),
    "empty file": ("model.damaged", content(lambda data: b"")),
    "cut off": ("model.digest", unmatched(lambda data: data[:-9])),
    "one byte more": ("model.damaged", content(lambda data: data + b"x")),
    "one node less": ("model.damaged", content(
        lambda data: data[:-NODE.itemsize])),
    "bit flipped": ("model.digest", unmatched(
        lambda data: data[:400] + bytes([data[400] ^ 16]) + data[401:])),
    "too large": ("model.size", replace(
        "model.npy", sparse(MAX_BYTES + 1))),
    "a terabyte": ("model.size", replace("model.npy", sparse(2 ** 40))),
    "a pipe": ("path.not_regular", replace("model.npy", os.mkfifo)),
    "a folder": ("path.not_regular", replace("model.npy", os.mkdir)),
    "a link that leads out": ("path.outside", replace(
        "model.npy", outside)),
    "a link to itself": ("path.loop", replace(
        "model.npy", lambda path: path.symlink_to(path))),
    "missing": ("model.missing", lambda it: it.file.unlink()),
    "of an earlier version": ("model.version", lambda it: it.file.rename(
        it.folder / "model.skops")),
}
CARD = {
    "missing": ("model.missing", lambda it: (
        it.folder / "card.json").unlink()),
    "a pipe": ("path.not_regular", replace("card.json", os.mkfifo)),
    "a link that leads out": ("path.outside", replace("card.json", outside)),
    "no JSON": ("model.card", card_text(b"{")),
    "nested": ("model.card", card_text(b"[" * 10 ** 6)),
    "a list": ("model.card", card_text(b"[]")),
    "no text at all": ("model.card", card_text(bytes(range(256)))),
    "huge": ("model.size", card_text(b" " * (5 * 2 ** 20))),
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
    "threshold missing": ("model.card", card(alarm={"release": .1})),
    "unknown alarm setting": ("model.card", card(
        alarm={"threshold": .5, "hold": 1})),
    "metric is no number": ("model.card", card(metric=float("nan"))),
    "threshold of 400 digits": ("model.card", card(
        alarm={"threshold": 10 ** 400})),
    "windows are one": ("model.card", card(windows_s=10)),
    "window of 400 digits": ("model.card", card(windows_s=[-10 ** 400])),
    "hop is zero": ("model.card", card(hop_s=0)),
    "hop is true": ("model.card", card(hop_s=True)),
    "hop of 400 digits": ("model.card", card(hop_s=10 ** 400)),
    "hop of 5000 digits": ("model.card", card_text(
        b'{"hop_s": %s}' % (b"9" * 5000))),
    "setting is a list": ("model.card", card(settings={"seed": [1]})),
    "setting of 400 digits": ("model.card", card(
        settings={"seed": 10 ** 400})),
    "versions are a list": ("model.card", card(versions=["1.2.0"])),
}
CASES = {
    **{f"tree: {name}": ("model.tree", make) for name, make in TREE.items()},
    **{f"file: {name}": case for name, case in FILE.items()},
    **{f"card: {name}": case for name, case in CARD.items()},
}


@pytest.fixture
def artefact(tmp_path):
    Bomb.canary = str(tmp_path / "canary")
    yield Artefact(tmp_path / "model")
    assert not Path(Bomb.canary).exists(), "an artefact has run code"


def rule_of(artefact):
    """The rule of the error, or "loaded"."""
    try:
        loaded = load_model(artefact.folder)
    except AuraError as error:
        assert error.args[2], "there is no way out"
        return error.rule
    loaded.forest.probability(np.zeros((100, 6), np.float32))
    return "loaded"


@pytest.mark.parametrize("name", CASES)
def test_an_artefact_is_refused_with_its_rule(artefact, name):
    rule, make = CASES[name]
    make(artefact)
    assert rule_of(artefact) == rule


@pytest.mark.parametrize("make", [
    lambda it: None, Artefact.pack, nodes(END), nodes(SPLIT, END, END),
    nodes(SPLIT, *[SPLIT, END] * 63, END, END),
    nodes(*[END] * MAX_TREES), node("value", np.inf), node("feature", 5),
    card(versions={"scikit-learn": "1.2.0"}), card(versions={})])
def test_an_unusual_model_is_loaded(artefact, make):
    make(artefact)
    assert rule_of(artefact) == "loaded"


@pytest.mark.parametrize("name", [
    "probability above one", "threshold below all",
    "third way for the missing"])
def test_only_the_tree_check_sees_a_tampered_tree(
        artefact, monkeypatch, name):
    TREE[name](artefact)
    monkeypatch.setattr(trees.Forest, "_check", lambda *args: None)
    assert load_model(artefact.folder).features == tuple("abcdef")


@given(st.data())
def test_no_change_of_the_bytes_is_loaded(tmp_path_factory, data):
    """Even if the digest on the card is that of the changed file."""
    whole = good_files()["model.npy"]
    place = data.draw(st.integers(0, len(whole) - 1))
    artefact = Artefact(tmp_path_factory.mktemp("changed") / "model")
    artefact.put(data.draw(st.sampled_from([
        whole[:place], whole[place:], whole[:place] + b"!" + whole[place:],
        whole[:place] + bytes([whole[place] ^ 1 << place % 8])
        + whole[place + 1:]]).filter(lambda changed: changed != whole)))
    assert rule_of(artefact) in {
        "model.untrusted", "model.damaged", "model.tree", "model.id"}


NUMBER = st.integers(-2 ** 31, 2 ** 31 - 1)
ANY = st.tuples(NUMBER, st.integers(0, 255), st.floats())


@st.composite
def sound_nodes(draw):
    """Nodes of up to three trees, level by level."""
    rows, size = [], draw(st.integers(1, 3))
    while len(rows) < size:
        feature = draw(st.integers(LEAF, 1)) if size < 20 else LEAF
        size += 2 * (feature != LEAF)
        rows.append((feature, draw(st.integers(0, 1)), draw(st.floats(0, 1))))
    return rows


@given(sound_nodes(), st.none() | ANY, st.integers(0, 99))
def test_any_nodes_are_refused_or_give_probabilities(rows, other, place):
    if other:
        rows[place % len(rows)] = other
    try:
        forest = trees.Forest(np.array(rows, NODE), 2)
    except CorruptDataError:
        assert other
        return
    event(f"loaded, depth {forest.depth}")
    found = forest.probability(np.array(
        [[0, 1], [np.nan, .5], [1e30, np.nan], [np.nan, np.nan]]))
    assert ((found >= 0) & (found <= 1)).all()


@pytest.mark.parametrize("name", [
    "array declared huge", "ZIP bomb", "header that nests", "a terabyte"])
def test_no_more_memory_is_taken_than_is_read(artefact, name):
    _, make = FILE[name]
    make(artefact)
    tracemalloc.start()
    try:
        rule_of(artefact)
        assert tracemalloc.get_traced_memory()[1] < MAX_BYTES + 2 ** 18
    finally:
        tracemalloc.stop()


def test_the_canary_finds_code_that_runs(tmp_path):
    Bomb.canary = str(tmp_path / "canary")
    joblib.load(io.BytesIO(joblib_bytes(Bomb())))
    assert Path(Bomb.canary).exists()
