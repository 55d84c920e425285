"""The trees of a forest as one array, checked before it is used."""
# The nodes of all trees lie level by level: first the roots, then the two
# children of each split, in the order of the splits.

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aura import state
from aura.detector.model_card import AGAIN
from aura.errors import CorruptDataError
from aura.recording import Bools, Floats

MAX_BYTES = 64 * 2 ** 20
MAX_TREES = 2000
MAX_DEPTH = 64

LEAF = -1
NODE = np.dtype([
    ("feature", "<i4"),  # Column that a split compares; `LEAF` for a leaf
    ("missing_left", "u1"),  # Whether a missing value goes left
    ("value", "<f8"),  # Threshold of a split, probability of a leaf
])
MAGIC = b"\x93NUMPY\x01\x00"
HEAD_BYTES = 192
# Pairs of a row and a tree that are followed at once; they fit in a cache.
AT_ONCE = 2 ** 15


class Forest:
    """Trees that give the probability of a seizure; always sound."""

    def __init__(self, nodes: NDArray[Any], feature_count: int) -> None:
        self.nodes, self.feature_count = nodes, feature_count
        feature, value = nodes["feature"], nodes["value"]
        inner = feature != LEAF
        self.count = len(nodes) - 2 * int(inner.sum())
        right = self.count + 2 * np.cumsum(inner) - 1
        self._check(inner, right)
        self.depth = _depth(self.count, right)
        # A leaf leads to itself, because nothing is below NaN.
        self._right = np.where(inner, right, np.arange(len(nodes)))
        self._threshold = np.where(inner, value, np.nan)
        self._probability = np.where(inner, np.nan, value)
        self._column = np.where(
            inner, 2 * feature + nodes["missing_left"], 0).astype(np.intp)
        self._cuts = [np.unique(value[feature == number])
                      for number in range(feature_count)]

    def _check(self, inner: Bools, right: NDArray[Any]) -> None:
        """Check that each way from a root ends at a leaf in the array."""
        feature, value = self.nodes["feature"], self.nodes["value"]
        below = (feature < LEAF) | (feature >= self.feature_count)
        share = value[~inner]
        for wrong, text in (
                (not 1 <= self.count <= MAX_TREES, f"the forest has "
                 f"{self.count} trees, 1 to {MAX_TREES} are allowed"),
                # Children come after their parents, so there are no loops.
                ((right - 1 <= np.arange(len(right)))[inner].any(),
                 "a child is not among the later nodes"),
                (below.any(), "a split is not on one of the "
                 f"{self.feature_count} features"),
                ((self.nodes["missing_left"] > 1).any(),
                 "missing_left is neither 0 nor 1"),
                # Infinity separates missing values from all others.
                (not (value[inner] > -np.inf).all(),
                 "a threshold is not a number"),
                (not ((share >= 0) & (share <= 1)).all(),
                 "a probability is not in [0, 1]")):
            if wrong:
                raise _broken(text)

    def probability(self, x: NDArray[Any]) -> Floats:
        """scikit-learn's probability of each row; NaN is a missing value."""
        if x.ndim != 2 or x.shape[1] != self.feature_count:
            raise state.error(
                "features.shape", shape=x.shape,
                feature_count=self.feature_count)
        if np.isinf(x).any():
            raise state.error("features.infinite")
        x = x.astype(np.float32)
        cell, first = np.zeros(len(x), np.intp), np.arange(len(x))
        # Rows between the same thresholds take the same ways.
        for column, cuts in zip(x.T, self._cuts, strict=True):
            rank = np.searchsorted(cuts, column)
            rank[np.isnan(column)] = len(cuts) + 1
            _, first, cell = np.unique(
                cell * (len(cuts) + 2) + rank, return_index=True,
                return_inverse=True)
        rows = x[first].astype(np.float64)
        found = np.empty(len(rows))
        step = max(AT_ONCE // self.count, 1)
        for at in range(0, len(rows), step):
            found[at:at + step] = self._mean(rows[at:at + step])
        return found[cell]

    def _mean(self, rows: Floats) -> Floats:
        """Mean over the trees of the leaves that each row comes to."""
        left = np.where(np.isnan(rows), -np.inf, rows)
        columns = np.stack([rows, left], axis=2).reshape(len(rows), -1).T
        row = np.arange(len(rows))
        node = np.repeat(np.arange(self.count)[:, None], len(rows), axis=1)
        for _ in range(self.depth):
            column = self._column.take(node)
            value = columns.take(column * len(rows) + row)
            below = value <= self._threshold.take(node)
            node = self._right.take(node) - below
        # Added tree by tree: `np.sum` would change the last digit.
        total = np.add.accumulate(self._probability.take(node), axis=0)[-1]
        mean: Floats = total / self.count
        return mean


def _depth(end: int, right: NDArray[Any]) -> int:
    """Number of splits on the longest way; `end` is that of the roots."""
    for depth in range(MAX_DEPTH + 1):
        if end == len(right):
            return depth
        end = int(right[end - 1]) + 1
    raise _broken(f"a tree is deeper than {MAX_DEPTH}")


def of(forest: Any) -> Forest:
    if not set(forest.classes_) <= {0, 1}:
        raise state.error("model.classes")
    grown = [member.tree_ for member in forest.estimators_]
    left, right, feature, threshold, missing, value = (
        np.concatenate([getattr(tree, name) for tree in grown])
        for name in ("children_left", "children_right", "feature",
                     "threshold", "missing_go_to_left", "value"))
    inner = left != right
    if forest.monotonic_cst is not None:
        # `aura.detector.forest.fit` put the lowest number in their place.
        missing = np.ones_like(missing)
    # A forest that has seen one class only has one column.
    probability = value[:, 0, forest.classes_ == 1].sum(axis=1)
    nodes = np.zeros(len(inner), NODE)
    nodes["feature"] = np.where(inner, feature, LEAF)
    nodes["missing_left"] = np.where(inner, missing, 0)
    nodes["value"] = np.where(inner, threshold, probability)
    sizes = [tree.node_count for tree in grown]
    first = np.cumsum([0, *sizes[:-1]])
    children = np.column_stack([left, right])
    children += np.repeat(first, sizes)[:, None]
    levels = [first]
    while len(levels[-1]):
        splits = levels[-1][inner[levels[-1]]]
        levels.append(children[splits].ravel())
    return Forest(nodes[np.concatenate(levels)], forest.n_features_in_)


def read(content: bytes, feature_count: int) -> Forest:
    if not MAGIC.startswith(content[:len(MAGIC)]):
        raise state.error("model.untrusted")
    count, rest = divmod(len(content) - HEAD_BYTES, NODE.itemsize)
    # No claim of the file is trusted: it has to begin as its length demands.
    if rest or count < 0 or content[:HEAD_BYTES] != _head(count):
        raise CorruptDataError(
            "model.damaged", "this is not a complete array of nodes", AGAIN)
    nodes = np.frombuffer(content, NODE, offset=HEAD_BYTES)
    return Forest(nodes, feature_count)


def write(forest: Forest) -> bytes:
    """The content of an ``.npy`` file, equal for equal forests."""
    content = _head(len(forest.nodes)) + forest.nodes.tobytes()
    if len(content) > MAX_BYTES:
        raise state.error(
            "model.size", count=len(content), max_bytes=MAX_BYTES)
    return content


def _broken(text: str) -> CorruptDataError:
    return CorruptDataError("model.tree", text, AGAIN)


def _head(count: int) -> bytes:
    """The beginning of an ``.npy`` file with this number of nodes."""
    text = repr({"descr": NODE.descr, "fortran_order": False,
                 "shape": (count,)})
    size = HEAD_BYTES - len(MAGIC) - 2
    return (MAGIC + size.to_bytes(2, "little")
            + text.ljust(size - 1).encode("ascii") + b"\n")
