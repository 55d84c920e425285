"""Rows of an evaluation for scikit-learn classifiers that users bring."""

import importlib
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

from aura import state
from aura.detector.training import RULE
from aura.detector.validation import Scorer
from aura.ecg import features
from aura.errors import AuraError
from aura.evaluation.detectors import DETECTORS, Case, Detector, fit_rows


def named(text: str) -> Detector:
    """The detector of ``NAME=package.module:factory``."""
    key, _, place = text.partition("=")
    module, _, name = place.partition(":")
    # The command line may be installed elsewhere than the user's module is.
    sys.path.append(os.getcwd())
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
        made = found if hasattr(found, "fit") and not isinstance(
            found, type) else found()
    except Exception as error:
        raise state.error("evaluate.detector/made", text=text,
                          why=f"{type(error).__name__}: {error}") from error
    finally:
        sys.path.pop()
    return of_classifier(key, made)


def of_classifier(key: str, classifier: Any) -> Detector:
    """A detector that a classifier makes of all features of a row."""
    if not re.fullmatch(r"\w+", key) or key in [one.key for one in DETECTORS]:
        raise state.error("evaluate.detector/name", name=key)
    if not (hasattr(classifier, "fit") and hasattr(classifier, "get_params")):
        raise state.error("evaluate.detector/fit", name=key,
                          found=type(classifier).__name__)
    return Detector(
        key, f"{key} ({type(classifier).__name__})",
        "A classifier of the user, on all features and the forest's "
        "training rows.", RULE, partial(_fit, key, classifier),
        probability=hasattr(classifier, "predict_proba"))


def _fit(key: str, classifier: Any, cases: Sequence[Case],
         seed: int) -> Scorer[Case]:
    try:
        model = clone(classifier)
        model.set_params(**{
            name: seed for name, value in model.get_params().items()
            if name.rpartition("__")[2] == "random_state" and value is None})
        weight = _weight(model)
        if not get_tags(model).input_tags.allow_nan:
            weight = weight and f"{type(model).__name__.lower()}__{weight}"
            model = make_pipeline(SimpleImputer(
                strategy="median", keep_empty_features=True), model)
        score = fit_rows(model, weight, list(map(_with_all, cases)))
    except Exception as error:
        raise _failed(key, error) from error

    def checked(case: Case) -> np.ndarray:
        try:
            found = score(_with_all(case))
        except Exception as error:
            raise _failed(key, error) from error
        if not np.isfinite(found[case.scorable]).all():
            raise _failed(key, ValueError("some of its scores are no numbers"))
        return found
    return checked


def _weight(model: Any) -> str:
    """The parameter of ``fit`` that takes the rows' weights, if any."""
    if isinstance(model, Pipeline):
        name, last = model.steps[-1]
        inner = _weight(last)
        return inner and f"{name}__{inner}"
    known: bool = has_fit_parameter(model, "sample_weight")
    return "sample_weight" if known else ""


def _with_all(case: Case) -> Case:
    return replace(case, values=case.more, columns=features.NAMES)


def _failed(key: str, error: Exception) -> AuraError:
    return state.error("evaluate.detector/failed", name=key,
                       why=f"{type(error).__name__}: {error}")
