"""
The nodes of a forest: checked before anything walks along them.

scikit-learn follows the child and feature indices of a tree without looking
whether they point anywhere. A tampered one ends the process, runs for ever,
or answers with probabilities above one [1]_, so each tree is checked first.

References
----------
.. [1] https://github.com/scikit-learn/scikit-learn/pull/34558
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aura.errors import CorruptDataError
from aura.recording import Floats

LEAF = -1
MAX_DEPTH = 64
MAX_TREES = 2000
MAX_NODES = 4_000_000

# What a prediction depends on, and the form in which it is digested.
CANONICAL = {"left_child": "<i8", "right_child": "<i8", "feature": "<i8",
             "threshold": "<f8", "missing_go_to_left": "u1"}
# The form in which scikit-learn stores a node.
NODE = np.dtype([
    ("left_child", "<i8"), ("right_child", "<i8"), ("feature", "<i8"),
    ("threshold", "<f8"), ("impurity", "<f8"), ("n_node_samples", "<i8"),
    ("weighted_n_node_samples", "<f8"), ("missing_go_to_left", "u1"),
], align=True)


@dataclass(frozen=True)
class Tree:
    """One decision tree between two classes, as scikit-learn stores it."""

    # Children, feature, threshold and so on; node 0 is the root.
    nodes: NDArray[Any]
    values: Floats  # Share of each class at each node
    depth: int  # Depth that the file claims

    def check(self, feature_count: int) -> None:
        """See that walking down from the root always ends, inside the arrays.
        """
        _check_arrays(self.nodes, self.values)
        inner = self.nodes["left_child"] != LEAF
        _check_children(self.nodes, inner)
        _check_splits(self.nodes[inner], feature_count)
        _check_values(self.values)
        if _depth(self.nodes) != self.depth:
            raise broken(f"a depth of {self.depth} is not the true one")

    def update(self, digest: "hashlib._Hash") -> None:
        """Feed everything that a prediction depends on to a digest."""
        digest.update(len(self.nodes).to_bytes(8, "little"))
        for name, kind in CANONICAL.items():
            digest.update(self.nodes[name].astype(kind).tobytes())
        digest.update(self.values.astype("<f8").tobytes())


def of(forest: Any) -> list[Tree]:
    """The trees of a fitted scikit-learn forest."""
    trees = []
    for estimator in forest.estimators_:
        state = estimator.tree_.__getstate__()
        trees.append(Tree(state["nodes"], state["values"],
                          state["max_depth"]))
    return trees


def check(trees: list[Tree], feature_count: int) -> None:
    """Check the trees of a forest, and that there are not too many."""
    if not 1 <= len(trees) <= MAX_TREES:
        raise broken(f"{len(trees)} trees are not 1 to {MAX_TREES}")
    if sum(len(tree.nodes) for tree in trees) > MAX_NODES:
        raise broken(f"there are more than {MAX_NODES} nodes")
    for number, tree in enumerate(trees):
        try:
            tree.check(feature_count)
        except CorruptDataError as error:
            raise broken(f"tree {number}: {error.args[1]}") from None


def broken(text: str) -> CorruptDataError:
    """The error for trees that cannot be walked safely."""
    return CorruptDataError(
        "model.tree", text,
        "do not use this model; train it again or fetch it anew")


def _check_arrays(nodes: NDArray[Any], values: Floats) -> None:
    if nodes.dtype != NODE:
        raise broken("the nodes are of an unknown form")
    if nodes.ndim != 1 or not len(nodes):
        raise broken("there are no nodes")
    if values.dtype != np.float64 or values.shape != (len(nodes), 1, 2):
        raise broken("nodes and values differ in number")


def _check_children(nodes: NDArray[Any], inner: NDArray[np.bool_]) -> None:
    left, right = nodes["left_child"], nodes["right_child"]
    if (right[~inner] != LEAF).any():
        raise broken("a node has one child")
    children = np.concatenate([left[inner], right[inner]])
    parents = np.tile(np.flatnonzero(inner), 2)
    # Children come after their parents, so no way leads back.
    if (children <= parents).any() or (children >= len(nodes)).any():
        raise broken("a child is out of place")
    if (np.bincount(children, minlength=len(nodes))[1:] != 1).any():
        raise broken("a node is not reached exactly once")


def _check_splits(nodes: NDArray[Any], feature_count: int) -> None:
    feature = nodes["feature"]
    if ((feature < 0) | (feature >= feature_count)).any():
        raise broken(f"a split is not on one of {feature_count} features")
    # Infinity parts the missing values from all others.
    if not (nodes["threshold"] > -np.inf).all():
        raise broken("a threshold is no number")
    if (nodes["missing_go_to_left"] > 1).any():
        raise broken("the way of a missing value is unknown")


def _check_values(values: Floats) -> None:
    if not ((values >= 0) & (values <= 1)).all():
        raise broken("a probability is not in [0, 1]")
    if not (np.abs(values.sum(axis=2) - 1) < 1e-6).all():
        raise broken("probabilities do not sum to 1")


def _depth(nodes: NDArray[Any]) -> int:
    left, right = nodes["left_child"], nodes["right_child"]
    level = np.zeros(1, np.int64)
    for depth in range(MAX_DEPTH + 1):
        level = level[left[level] != LEAF]
        if not len(level):
            return depth
        level = np.concatenate([left[level], right[level]])
    raise broken(f"the tree is deeper than {MAX_DEPTH}")
