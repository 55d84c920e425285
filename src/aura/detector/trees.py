"""
The nodes of a forest, checked before they are used.

scikit-learn follows the child and feature indices of a tree without checking
them. A tampered tree can end the process, run for ever or give probabilities
above one [1]_, so every tree is checked first.

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

# The fields that a prediction depends on, with their types in the digest.
CANONICAL = {"left_child": "<i8", "right_child": "<i8", "feature": "<i8",
             "threshold": "<f8", "missing_go_to_left": "u1"}
# A node as scikit-learn stores it.
NODE = np.dtype([
    ("left_child", "<i8"), ("right_child", "<i8"), ("feature", "<i8"),
    ("threshold", "<f8"), ("impurity", "<f8"), ("n_node_samples", "<i8"),
    ("weighted_n_node_samples", "<f8"), ("missing_go_to_left", "u1"),
], align=True)


@dataclass(frozen=True)
class Tree:
    """One decision tree for two classes, as scikit-learn stores it."""

    nodes: NDArray[Any]  # Of the type `NODE`; node 0 is the root
    values: Floats  # Share of each class at each node
    depth: int  # Depth as stored in the file

    def check(self, feature_count: int) -> None:
        """Check that each way from the root ends at a leaf in the arrays."""
        _check_arrays(self.nodes, self.values)
        inner = self.nodes["left_child"] != LEAF
        _check_children(self.nodes, inner)
        _check_splits(self.nodes[inner], feature_count)
        _check_values(self.values)
        if _depth(self.nodes) != self.depth:
            raise broken(f"the depth is not {self.depth}")

    def update(self, digest: "hashlib._Hash") -> None:
        """Add everything that a prediction depends on to a digest."""
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
    """Check the trees of a forest and their number."""
    if not 1 <= len(trees) <= MAX_TREES:
        raise broken(f"the forest has {len(trees)} trees; 1 to {MAX_TREES} "
                     "are allowed")
    if sum(len(tree.nodes) for tree in trees) > MAX_NODES:
        raise broken(f"the forest has more than {MAX_NODES} nodes")
    for number, tree in enumerate(trees):
        try:
            tree.check(feature_count)
        except CorruptDataError as error:
            raise broken(f"tree {number}: {error.args[1]}") from None


def broken(text: str) -> CorruptDataError:
    """The error for trees that are not safe to use."""
    return CorruptDataError(
        "model.tree", text,
        "download the model again, or run `aura train` again")


def _check_arrays(nodes: NDArray[Any], values: Floats) -> None:
    if nodes.dtype != NODE:
        raise broken("the nodes are of an unknown type")
    if nodes.ndim != 1 or not len(nodes):
        raise broken("there are no nodes")
    if values.dtype != np.float64 or values.shape != (len(nodes), 1, 2):
        raise broken("there is not one value for each node")


def _check_children(nodes: NDArray[Any], inner: NDArray[np.bool_]) -> None:
    left, right = nodes["left_child"], nodes["right_child"]
    if (right[~inner] != LEAF).any():
        raise broken("a node has only one child")
    children = np.concatenate([left[inner], right[inner]])
    parents = np.tile(np.flatnonzero(inner), 2)
    # Children come after their parents, so there are no loops.
    if (children <= parents).any() or (children >= len(nodes)).any():
        raise broken("a child is not among the later nodes")
    if (np.bincount(children, minlength=len(nodes))[1:] != 1).any():
        raise broken("a node does not have exactly one parent")


def _check_splits(nodes: NDArray[Any], feature_count: int) -> None:
    feature = nodes["feature"]
    if ((feature < 0) | (feature >= feature_count)).any():
        raise broken(f"a split is not on one of the {feature_count} features")
    # A threshold of infinity separates missing values from all others.
    if not (nodes["threshold"] > -np.inf).all():
        raise broken("a threshold is not a number")
    if (nodes["missing_go_to_left"] > 1).any():
        raise broken("missing_go_to_left is neither 0 nor 1")


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
