"""
The model on disk: the forest in ``model.skops``, the rest in ``card.json``.

A model is used only after its digest, its versions and every node of its
trees have been checked. Nothing is ever unpickled. The *model id* is a digest
of everything that predictions and alarms depend on, so two trainings on the
same data have the same id at any time and with any number of jobs.
"""

import copy
import hashlib
import hmac
import json
import math
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import (  # type: ignore[import-untyped]
    RandomForestClassifier,
)

import aura
from aura.detector import model_card, skops_file, trees
from aura.detector.model_card import Number, Scalar
from aura.errors import (
    CorruptDataError,
    InvalidInputError,
    MissingError,
    PreconditionError,
    ResourceError,
)
from aura.folder import Folder
from aura.recording import Floats

MODEL_FILE, CARD_FILE = "model.skops", "card.json"
AGAIN = "download both files again, or run `aura train` again"
ROWS_AT_ONCE = 32_768
LIBRARIES = ("numpy", "scikit-learn", "skops")


@dataclass(frozen=True)
class Model:
    """
    A trained forest with everything that is needed to use it.

    Parameters
    ----------
    forest : RandomForestClassifier
        Fitted on the classes 0 and 1, 1 being a seizure.
    schema_id : str
        Id of the feature schema.
    features : tuple of str
        Names of the features, in the order of the columns.
    units : tuple of str
        Unit of each feature; ``""`` for a plain number.
    hop_s : float
        Seconds from one row of features to the next.
    windows_s : tuple of float
        Lengths of the analysis windows in seconds.
    alarm : mapping of str to number
        Alarm rule: threshold, smoothing and so on.
    settings : mapping of str to scalar
        Settings of the training.
    card : mapping
        Data fingerprint, validation; fit for JSON.

    Examples
    --------
    >>> import aura
    >>> model = aura.train([
    ...     aura.simulate(1200, seizures=[(600, 60)], seed=n) for n in (1, 2)])
    >>> len(model.model_id), model.alarm["threshold"]
    (64, 0.5)
    """

    forest: Any
    schema_id: str
    features: tuple[str, ...]
    units: tuple[str, ...]
    hop_s: float
    windows_s: tuple[float, ...]
    alarm: Mapping[str, Number]
    settings: Mapping[str, Scalar] = field(default_factory=dict)
    card: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def model_id(self) -> str:
        """SHA-256 (64 hex digits) over the canonical content."""
        head = json.dumps({
            "format": model_card.FORMAT, "classes": [0, 1],
            "schema_id": self.schema_id, "features": list(self.features),
            "hop_s": float(self.hop_s),
            "windows_s": [float(window) for window in self.windows_s],
            "alarm": {key: float(value) for key, value in self.alarm.items()},
            "settings": dict(self.settings),
        }, sort_keys=True, allow_nan=False).encode("ascii")
        digest = hashlib.sha256(len(head).to_bytes(8, "little") + head)
        for tree in trees.of(self.forest):
            tree.update(digest)
        return digest.hexdigest()

    @cached_property
    def walks(self) -> list[tuple[Any, Floats]]:
        """Each tree, and the probability of a seizure at its nodes."""
        return [(tree.tree_, np.ascontiguousarray(tree.tree_.value[:, 0, 1]))
                for tree in self.forest.estimators_]


def save_model(folder: str | os.PathLike[str], model: Model, *,
               created: datetime | None = None) -> None:
    """
    Write a model to a folder, as ``aura train`` does.

    The card is written last, so that a reader sees a whole model.

    Parameters
    ----------
    folder : path
        It is made if need be; an earlier model in it is replaced.
    model : Model
        From `train` or `load_model`.
    created : datetime, optional
        Date on the card; now by default.

    Raises
    ------
    InvalidInputError
        If the forest could not be loaded again.
    ResourceError, PreconditionError
        If the disk is full, or the folder cannot be written to.

    Examples
    --------
    >>> import tempfile
    >>> import aura
    >>> model = aura.train([
    ...     aura.simulate(1200, seizures=[(600, 60)], seed=n) for n in (1, 2)])
    >>> folder = tempfile.mkdtemp()
    >>> aura.save_model(folder, model)
    >>> aura.load_model(folder).model_id == model.model_id
    True
    """
    _check_new(model)
    content = skops_file.dump(_bare(model.forest))
    # A model that cannot be loaded again must not be saved.
    _check_forest(skops_file.read(content), len(model.features))
    created = created or datetime.now(UTC)
    card = model_card.write({
        **model.card,
        "format": model_card.FORMAT,
        "use": model_card.USE,
        "model_id": model.model_id,
        "sha256": hashlib.sha256(content).hexdigest(),
        "schema_id": model.schema_id,
        "features": [{"name": name, "unit": unit} for name, unit
                     in zip(model.features, model.units)],
        "hop_s": float(model.hop_s),
        "windows_s": [float(window) for window in model.windows_s],
        "alarm": dict(model.alarm),
        "settings": dict(model.settings),
        "versions": _versions(),
        "created": created.astimezone(UTC).isoformat(timespec="seconds"),
    })
    target = Folder(Path(folder))
    target.write(MODEL_FILE, content)
    target.write(CARD_FILE, card)


def load_model(folder: str | os.PathLike[str]) -> Model:
    """
    Read a model, once it is known to be what its card says.

    No code of the model runs: its values are checked first, and a forest
    is built from them.

    Parameters
    ----------
    folder : path
        Folder with ``model.skops`` and ``card.json``, as ``aura train``
        writes it.

    Returns
    -------
    Model

    Raises
    ------
    MissingError
        If there is no model.
    CorruptDataError, ForbiddenError
        If a file does not match the card, is damaged or is not a forest.
    PreconditionError
        If it was trained with another scikit-learn.

    Examples
    --------
    >>> import aura
    >>> try:
    ...     aura.load_model("no-such-folder")
    ... except aura.AuraError as error:
    ...     print(error.rule)
    model.missing
    """
    source = Folder(Path(folder))
    card = model_card.read(_read(source, CARD_FILE, model_card.MAX_BYTES))
    content = _read(source, MODEL_FILE, skops_file.MAX_FILE_BYTES)
    digest = hashlib.sha256(content).hexdigest()
    if not hmac.compare_digest(digest, card["sha256"]):
        raise CorruptDataError(
            "model.digest", f"{MODEL_FILE} does not match {CARD_FILE}", AGAIN)
    _check_version(card["versions"]["scikit-learn"])
    names = tuple(entry["name"] for entry in card["features"])
    _check_forest(skops_file.read(content), len(names))
    forest = skops_file.load(content)
    forest.n_jobs, forest.verbose = 1, 0
    model = Model(
        forest, card["schema_id"], names,
        tuple(entry["unit"] for entry in card["features"]), card["hop_s"],
        tuple(card["windows_s"]), card["alarm"], card["settings"],
        {key: value for key, value in card.items()
         if key not in model_card.FIELDS})
    if not hmac.compare_digest(model.model_id, card["model_id"]):
        raise CorruptDataError(
            "model.id", "the model does not have the id on its card", AGAIN)
    return model


def check_schema(model: Model, schema_id: str,
                 features: tuple[str, ...]) -> None:
    """Check that a table has the columns that a model was trained on."""
    fix = "run `aura train` again, or use the version of aura on the card"
    missing = [name for name in model.features if name not in features]
    extra = [name for name in features if name not in model.features]
    if missing or extra:
        text = "; ".join(
            f"{len(names)} {what}: {', '.join(names[:5])}"
            + (" ..." if len(names) > 5 else "")
            for what, names in (("missing", missing), ("extra", extra))
            if names)
        raise PreconditionError(
            "model.schema", f"the features are not those of the model: {text}",
            fix)
    if tuple(features) != model.features:
        raise PreconditionError(
            "model.schema", "the features have another order than in the "
            "model", fix)
    if schema_id != model.schema_id:
        raise PreconditionError(
            "model.schema", f"the features have the schema {schema_id[:32]}, "
            f"but the model was trained on {model.schema_id[:32]}", fix)


def predict_probability(model: Model, x: NDArray[np.float32]) -> Floats:
    """
    Probability of a seizure in each row.

    It equals scikit-learn's own, without its checks and its threads.
    """
    if x.ndim != 2 or x.shape[1] != len(model.features):
        raise InvalidInputError(
            "features.shape", f"the table has the shape {x.shape}, but the "
            f"model needs {len(model.features)} columns",
            f"give {', '.join(model.features[:5])}, in this order")
    if np.isinf(x).any():
        raise InvalidInputError(
            "features.infinite", "a feature is infinite",
            "use NaN for a feature without a value")
    total = np.zeros(len(x))
    for start in range(0, len(x), ROWS_AT_ONCE):
        rows = np.ascontiguousarray(x[start:start + ROWS_AT_ONCE], np.float32)
        part = total[start:start + ROWS_AT_ONCE]
        for tree, probability in model.walks:
            part += probability[tree.apply(rows)]
    total /= len(model.walks)
    return total


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), "aura": aura.__version__,
            **{name: version(name) for name in LIBRARIES}}


def _bare(forest: Any) -> Any:
    """A copy without the number of jobs and the weights of the rows."""
    bare = copy.copy(forest)
    bare.n_jobs, bare.verbose, bare._sample_weight = 1, 0, None
    return bare


def _check_new(model: Model) -> None:
    forest, count = model.forest, len(model.features)
    if not isinstance(forest, RandomForestClassifier):
        raise InvalidInputError(
            "model.kind", f"a {type(forest).__name__} cannot be saved",
            "give a RandomForestClassifier")
    if list(getattr(forest, "classes_", [])) != [0, 1]:
        raise InvalidInputError(
            "model.classes", "the forest is not fitted on the classes 0 and "
            "1", "fit it with 1 for seizures and 0 for everything else")
    if forest.n_features_in_ != count or len(model.units) != count:
        raise InvalidInputError(
            "model.features", f"the model has {count} feature names, "
            f"{len(model.units)} units and {forest.n_features_in_} columns",
            "give one name and one unit for each column")
    taken = sorted(set(model.card) & set(model_card.FIELDS))
    if taken:
        raise InvalidInputError(
            "model.card", f"the entry {taken[0]} of the card is reserved",
            "give yours another name")
    if not all(math.isfinite(value) for value in model.alarm.values()):
        raise InvalidInputError(
            "model.alarm", "an alarm setting is not finite",
            "give finite numbers")
    trees.check(trees.of(forest), count)


def _read(source: Folder, name: str, limit: int) -> bytes:
    try:
        with source.open(name) as stream:
            content = stream.read(limit + 1)
    except MissingError:
        raise MissingError(
            "model.missing", f"there is no {name} in the model folder",
            "name a folder that `aura train` wrote") from None
    if len(content) > limit:
        raise ResourceError(
            "model.size", f"{name} is larger than {limit} bytes", AGAIN)
    return content


def _check_version(trained: str) -> None:
    present = _present()
    if trained.split(".")[:2] != present.split(".")[:2]:
        raise PreconditionError(
            "model.version", "the model was trained with scikit-learn "
            f"{trained[:20]}, but {present} is installed",
            "run `aura train` again, or install that version")


@cache
def _present() -> str:
    """Version of scikit-learn; each tree of a forest is compared with it."""
    return version("scikit-learn")


def _check_forest(forest: skops_file.Built, count: int) -> None:
    """Check that a forest read as plain values can be built and used."""
    if skops_file.count(forest, skops_file.TREE) != forest.get(
            "n_estimators"):
        raise trees.broken("the file has trees outside the forest")
    shape = {"n_features_in_": count, "n_outputs_": 1, "n_classes_": 2}
    _check_attributes(forest, RandomForestClassifier, shape)
    members = forest.get("estimators_")
    if (not isinstance(members, list)
            or len(members) != forest.get("n_estimators")):
        raise trees.broken("the number of trees is not n_estimators")
    found = []
    for member in members:
        if getattr(member, "kind", "") != skops_file.DECISION_TREE:
            raise trees.broken("a member of the forest is not a tree")
        _check_attributes(
            member, RandomForestClassifier().estimator.__class__, shape)
        found.append(_tree(member.get("tree_"), count))
    trees.check(found, count)


def _check_attributes(built: skops_file.Built, kind: type,
                      shape: dict[str, int]) -> None:
    for name, value in shape.items():
        if built.get(name) != value or isinstance(built.get(name), bool):
            raise trees.broken(f"{name} is not {value}")
    classes = built.get("classes_")
    if (not isinstance(classes, np.ndarray) or classes.shape != (2,)
            or classes.tolist() != [0, 1]):
        raise trees.broken("the classes are not 0 and 1")
    hidden = [name for name in built if hasattr(kind, name)]
    if hidden or "_sklearn_version" not in built:
        raise trees.broken("an object has attributes that hide methods")
    _check_version(str(built["_sklearn_version"]))


def _tree(state: Any, count: int) -> trees.Tree:
    """The arrays of a tree, if its constructor will accept them."""
    if getattr(state, "kind", "") != skops_file.TREE:
        raise trees.broken("a member of the forest is not a tree")
    nodes, values = state.get("nodes"), state.get("values")
    args = state.get("args")
    if set(state) != {"max_depth", "node_count", "nodes", "values", "args"}:
        raise trees.broken("a tree has unknown or missing fields")
    if not (isinstance(nodes, np.ndarray) and isinstance(values, np.ndarray)
            and state["node_count"] == len(nodes)):
        raise trees.broken("the number of nodes is not node_count")
    if not (isinstance(args, tuple) and len(args) == 3
            and args[0] == count and args[2] == 1
            and isinstance(args[1], np.ndarray)
            and args[1].dtype == np.int64 and args[1].shape == (1,)
            and args[1][0] == 2):
        raise trees.broken("a tree is not for one output of two classes")
    return trees.Tree(nodes, values, state["max_depth"])
