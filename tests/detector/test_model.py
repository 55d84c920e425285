"""A model is the same after saving and loading; its id is its content."""

import dataclasses
import json
import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from aura.detector import trees
from aura.ecg.features import Feature
from aura.detector.model import (
    Model,
    check_features,
    load_model,
    save_model,
)
from aura.errors import (
    InvalidInputError,
    MissingError,
    PreconditionError,
    ResourceError,
)

FEATURES = ("mean_hr", "rmssd", "sdnn", "lf")
UNITS = ("1/min", "ms", "ms", "ms2")


def rows(count, seed=1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 4)).astype(np.float32)
    x[rng.random(x.shape) < .1] = np.nan
    return x


def trained(n_jobs=1, **options):
    x = rows(800)
    y = (np.nan_to_num(x[:, 0]) + np.nan_to_num(x[:, 2]) > .6).astype(int)
    settings = {"max_depth": 6, "min_samples_leaf": 5, "random_state": 1,
                **options}
    return RandomForestClassifier(8, n_jobs=n_jobs, **settings).fit(x, y)


def model(forest=None, **changes):
    base = Model(
        trees.of(trained()) if forest is None else forest, "5ch3ma", FEATURES,
        UNITS, 1.0, (10.0, 60.0, 150.0),
        {"threshold": .61, "refractory_s": 180},
        {"seed": 1, "target_far": 1.0, "note": None},
        {"metrics": {"roc_auc": .9}, "data_fingerprint": "abc"})
    return dataclasses.replace(base, **changes)


def test_a_loaded_model_equals_the_saved_one(tmp_path):
    before = model()
    save_model(tmp_path, before)
    after = load_model(tmp_path)
    for entry in dataclasses.fields(Model):
        if entry.name != "forest":
            assert getattr(after, entry.name) == getattr(before, entry.name)
    assert after.model_id == before.model_id
    x = rows(5000, seed=2)
    assert np.array_equal(after.forest.probability(x),
                          trained().predict_proba(x)[:, 1])


def test_the_card_has_its_entries(tmp_path):
    save_model(tmp_path, model(),
               created=datetime(2026, 1, 2, 3, 4, tzinfo=UTC))
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["use"] == "Research use only. Not a medical device."
    assert card["created"] == "2026-01-02T03:04:00+00:00"
    assert card["features"][3] == {"name": "lf", "unit": "ms2"}
    assert card["metrics"] == {"roc_auc": .9}
    assert set(card["versions"]) == {
        "python", "numpy", "scikit-learn", "aura"}


def test_two_trainings_differ_only_in_their_date(tmp_path):
    cards, files = [], []
    for turn, n_jobs in enumerate((1, 2)):
        save_model(tmp_path / str(turn), model(trees.of(trained(n_jobs))),
                   created=datetime(2026, 1, 1 + turn, tzinfo=UTC))
        cards.append(json.loads(
            (tmp_path / str(turn) / "card.json").read_text()))
        files.append((tmp_path / str(turn) / "model.npy").read_bytes())
    assert cards[0].pop("created") != cards[1].pop("created")
    assert cards[0] == cards[1]
    assert files[0] == files[1]


@pytest.mark.parametrize("changes", [
    {"forest": trees.of(trained(random_state=2))},
    {"forest": trees.of(trained(max_depth=5))},
    {"schema_id": "other"},
    {"features": FEATURES[::-1]},
    {"hop_s": 2.0},
    {"windows_s": (10.0, 60.0)},
    {"alarm": {"threshold": .62, "refractory_s": 180}},
    {"settings": {"seed": 2, "target_far": 1.0, "note": None}},
])
def test_the_id_changes_with_what_predictions_depend_on(changes):
    assert model(**changes).model_id != model().model_id


@pytest.mark.parametrize("changes", [
    {"card": {}},
    {"alarm": {"refractory_s": 180.0, "threshold": .61}},
    {"windows_s": (10, 60, 150)},
])
def test_the_id_does_not_change_otherwise(changes):
    assert model(**changes).model_id == model().model_id


@pytest.mark.parametrize("options", [
    {}, {"max_depth": None, "min_samples_leaf": 1},
    {"max_leaf_nodes": 9}, {"max_depth": 1}, {"criterion": "entropy"},
    {"class_weight": "balanced_subsample"}, {"min_samples_leaf": 400},
    {"ccp_alpha": .01}])
def test_probabilities_equal_scikit_learns_to_the_bit(tmp_path, options):
    forest = trained(**options)
    save_model(tmp_path, model(trees.of(forest)))
    x = rows(20_000, seed=3)
    # Values on a threshold, and those next to it in single precision.
    cuts = np.concatenate([one.tree_.threshold for one in forest.estimators_])
    cuts = cuts[np.isfinite(cuts)].astype(np.float32)
    x[:len(cuts)] = cuts[:, None]
    x[len(cuts):2 * len(cuts)] = np.nextafter(cuts, np.float32(9))[:, None]
    assert np.array_equal(load_model(tmp_path).forest.probability(x),
                          forest.predict_proba(x)[:, 1])


def test_missing_values_alone_can_be_split_off():
    x = rows(400)
    x[:, 0] = 1
    x[::4, 0] = np.nan
    forest = RandomForestClassifier(5, random_state=1, max_features=None).fit(
        x, np.isnan(x[:, 0]).astype(int))
    found = trees.of(forest)
    assert np.isinf(found.nodes["value"]).any()
    assert np.array_equal(found.probability(x),
                          forest.predict_proba(x)[:, 1])


@pytest.mark.parametrize("label", [0, 1])
def test_a_forest_that_has_seen_one_class_always_says_it(label):
    forest = RandomForestClassifier(3).fit(rows(9), [label] * 9)
    assert trees.of(forest).probability(rows(5)).tolist() == [label] * 5


def test_few_rows_and_rows_of_nan_are_predicted_too():
    for x in (rows(0), rows(1), np.full((3, 4), np.nan, np.float32)):
        assert np.array_equal(
            model().forest.probability(x),
            trained().predict_proba(x)[:, 1] if len(x) else [])


def test_each_row_alone_gets_the_probability_that_it_gets_among_others():
    x, one = rows(200, seed=4), model()
    assert [one.forest.probability(row[None])[0] for row in x] == (
        one.forest.probability(x).tolist())


@pytest.mark.parametrize("shape", [(3, 5), (3, 3), (4,), (2, 2, 4)])
def test_a_table_of_another_shape_is_refused(shape):
    with pytest.raises(InvalidInputError, match="features.shape"):
        model().forest.probability(np.zeros(shape, np.float32))


def test_an_infinite_feature_is_refused():
    x = rows(5)
    x[2, 2] = -np.inf
    with pytest.raises(InvalidInputError, match="features.infinite"):
        model().forest.probability(x)


def columns(**changes):
    """Columns that the model knows, and one that it does not use."""
    return [Feature(name, *changes.get(name, (unit, f"window of {name}")))
            for name, unit in (("hf", "ms2"), *zip(FEATURES, UNITS))
            if changes.get(name, True)]


WINDOWS = {name: f"window of {name}" for name in FEATURES}


@pytest.mark.parametrize("schema_id", ["5ch3ma", "grown", ""])
@pytest.mark.parametrize("change", [
    {}, {"hf": None}, {"hf": ("%", "an hour")}])
def test_only_columns_that_the_model_uses_are_compared(schema_id, change):
    check_features(model(card={"feature_windows": WINDOWS}), schema_id,
                   columns(**change)[::-1])


@pytest.mark.parametrize("schema_id, change, named", [
    ("5ch3ma", {"sdnn": None, "lf": None}, ["sdnn is missing", "lf"]),
    ("grown", {"sdnn": None, "lf": None}, ["sdnn is missing", "lf"]),
    ("grown", {"rmssd": ("%", "window of rmssd")}, ["rmssd is '%,", "'ms,"]),
    ("grown", {"rmssd": ("ms", "")}, ["rmssd is 'ms, unknown'"]),
    ("grown", {"mean_hr": ("1/min", "an hour")}, ["mean_hr", "an hour"])])
def test_columns_that_differ_are_named_with_both_ids(schema_id, change, named):
    with pytest.raises(PreconditionError) as caught:
        check_features(model(card={"feature_windows": WINDOWS}), schema_id,
                       columns(**change))
    assert caught.value.rule == "model.schema"
    for text in (*named, schema_id, "5ch3ma"):
        assert text in caught.value.text
    for name in {*FEATURES} - {*change}:
        assert f"{name} is " not in caught.value.text


def test_what_is_not_known_of_a_column_is_decided_by_the_id():
    bare = [Feature(name, "", "") for name in FEATURES]
    check_features(model(), "5ch3ma", bare)
    check_features(model(), "5ch3ma", columns())
    for listed in (bare, columns()):
        with pytest.raises(PreconditionError, match="model.schema"):
            check_features(model(), "grown", listed)


@pytest.mark.parametrize("changes, rule", [
    ({"forest": RandomForestClassifier()}, "model.kind"),
    ({"features": ("one",)}, "model.features"),
    ({"units": ("ms",)}, "model.features"),
    ({"alarm": {"threshold": np.nan}}, "model.alarm"),
    ({"alarm": {"threshold": 10 ** 400}}, "model.alarm"),
    ({"card": {"metrics": float("nan")}}, "model.card"),
    ({"card": {"metrics": object()}}, "model.card"),
    ({"card": {"model_id": "mine"}}, "model.card"),
    ({"settings": {"seed": [1]}}, "model.card"),
    ({"hop_s": 0.0}, "model.card"),
])
def test_a_model_that_cannot_be_saved_is_refused_before_writing(
        tmp_path, changes, rule):
    with pytest.raises(InvalidInputError) as caught:
        save_model(tmp_path / "m", model(**changes))
    assert caught.value.rule == rule
    assert not (tmp_path / "m").exists()


def test_a_forest_that_is_too_large_is_not_saved(tmp_path, monkeypatch):
    monkeypatch.setattr(trees, "MAX_BYTES", 1000)
    with pytest.raises(ResourceError, match="model.size"):
        save_model(tmp_path / "m", model())
    assert not (tmp_path / "m").exists()


def test_a_forest_of_other_classes_is_refused():
    forest = RandomForestClassifier(2).fit(np.zeros((4, 4)), [0, 1, 2, 1])
    with pytest.raises(InvalidInputError, match="model.classes"):
        trees.of(forest)


def test_an_empty_folder_holds_no_model(tmp_path):
    with pytest.raises(MissingError, match="model.missing: .*card.json"):
        load_model(tmp_path)


def test_numpy_alone_can_read_the_file(tmp_path):
    save_model(tmp_path, model())
    nodes = np.load(tmp_path / "model.npy", allow_pickle=False)
    assert nodes.dtype == trees.NODE
    assert len(nodes) == sum(
        one.tree_.node_count for one in trained().estimators_)


def test_prediction_needs_no_scikit_learn(tmp_path):
    save_model(tmp_path, model())
    code = """
import sys
sys.modules["sklearn"] = sys.modules["skops"] = sys.modules["joblib"] = None
import numpy as np
from aura.detector.model import load_model, save_model
import aura.detection, aura.stages.predictor, aura.streaming.stream
model = load_model(sys.argv[1])
save_model(sys.argv[1] + "/copy", model)
print(model.forest.probability(np.zeros((1, 4), np.float32))[0])
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == trained().predict_proba(
        np.zeros((1, 4)))[0, 1]
