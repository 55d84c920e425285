"""A model on disk: the forest in ``model.npy``, the rest in ``card.json``."""

import contextlib
import hashlib
import json
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import aura
from aura import state
from aura.detector import model_card, trees
from aura.detector.model_card import AGAIN, Number, Scalar
from aura.ecg.features import Feature, require
from aura.errors import (
    CorruptDataError, InvalidInputError, MissingError, ResourceError)
from aura.folder import Folder
from aura.scoring.report import is_number

MODEL_FILE, CARD_FILE = "model.npy", "card.json"
OLD_FILE = "model.skops"


@dataclass(frozen=True)
class Model:
    """
    A trained forest with everything that is needed to use it.

    Parameters
    ----------
    forest : Forest
        The trees. They need no scikit-learn.
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

    forest: trees.Forest
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
        """SHA-256 (64 hex digits) of all that predictions depend on."""
        head = json.dumps({
            "format": model_card.FORMAT, "classes": [0, 1],
            "schema_id": self.schema_id, "features": list(self.features),
            "hop_s": float(self.hop_s),
            "windows_s": [float(window) for window in self.windows_s],
            "alarm": {key: float(value) for key, value in self.alarm.items()},
            "settings": dict(self.settings),
        }, sort_keys=True, allow_nan=False).encode("ascii")
        digest = hashlib.sha256(len(head).to_bytes(8, "little") + head)
        digest.update(self.forest.nodes.tobytes())
        return digest.hexdigest()


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
        If a part of the model does not fit the others or the card.
    ResourceError, PreconditionError
        If the forest is too large, the disk is full, or the folder cannot
        be written to.

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
    content = trees.write(model.forest)
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

    The files are arrays and text: no code of the model runs.

    Parameters
    ----------
    folder : path
        It has ``model.npy`` and ``card.json``, as ``aura train`` writes it.

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
        If an earlier version of aura wrote it.

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
    content = _read(source, MODEL_FILE, trees.MAX_BYTES)
    if hashlib.sha256(content).hexdigest() != card["sha256"]:
        raise CorruptDataError(
            "model.digest", f"{MODEL_FILE} does not match {CARD_FILE}", AGAIN)
    names = tuple(entry["name"] for entry in card["features"])
    model = Model(
        trees.read(content, len(names)), card["schema_id"], names,
        tuple(entry["unit"] for entry in card["features"]), card["hop_s"],
        tuple(card["windows_s"]), card["alarm"], card["settings"],
        {key: value for key, value in card.items()
         if key not in model_card.FIELDS})
    if model.model_id != card["model_id"]:
        raise CorruptDataError(
            "model.id", "the model does not have the id on its card", AGAIN)
    return model


def check_features(model: Model, schema_id: str,
                   columns: Iterable[Feature]) -> None:
    """Check that a table has the columns that a model was trained on."""
    units = dict(zip(model.features, model.units))
    windows = model.card.get(model_card.WINDOWS, {})
    require(
        [Feature(name, units.get(name, ""), windows.get(name, ""))
         for name in model.features], model.schema_id, columns, schema_id,
        "model.schema", "the model",
        "run `aura train` again, or use the version of aura on the card")


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "aura": aura.__version__}
    for name in ("numpy", "scikit-learn"):
        # A model can be copied where there is no scikit-learn.
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _check_new(model: Model) -> None:
    """Check what the card does not check."""
    count = len(model.features)
    if not isinstance(model.forest, trees.Forest):
        raise state.error("model.kind", name=type(model.forest).__name__)
    taken = sorted(set(model.card) & model_card.FIELDS)
    for wrong, rule, found, fix in (
            (model.forest.feature_count != count or len(model.units) != count,
             "model.features", f"the model has {count} feature names, "
             f"{len(model.units)} units and {model.forest.feature_count} "
             "columns", "give one name and one unit for each column"),
            (taken, "model.card", f"reserved entries are on the card: {taken}",
             "give yours other names"),
            (not all(map(is_number, model.alarm.values())),
             "model.alarm", "an alarm setting is not a finite number",
             "give finite numbers")):
        if wrong:
            raise InvalidInputError(rule, found, fix)


def _read(source: Folder, name: str, limit: int) -> bytes:
    try:
        with source.open(name) as stream:
            content = stream.read(limit + 1)
    except MissingError:
        if name == MODEL_FILE and source.path(OLD_FILE).exists():
            raise state.error(
                "model.version", old_file=OLD_FILE,
                model_file=MODEL_FILE) from None
        raise state.error("model.missing/read", name=name) from None
    if len(content) > limit:
        raise ResourceError("model.size", f"{name} is larger than {limit} "
                            "bytes", AGAIN)
    return content
