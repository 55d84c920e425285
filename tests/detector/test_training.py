"""A model is trained if its data suffice; its card describes them."""

import json
import math
import re
from dataclasses import asdict, replace

import numpy as np
import pytest

from aura.detector import forest, training
from aura.detector.forest import MODEL_FEATURES
from aura.detector.model import load_model, save_model
from aura.ecg import features
from aura.errors import PreconditionError
from tests.learning_examples import cohort, example


@pytest.fixture(autouse=True)
def small_forests(monkeypatch):
    """Ten trees instead of a hundred take a tenth of the time."""
    monkeypatch.setattr(forest, "TREES", 10)


def train(examples, seed=1, target_far=2.0):
    return training.train(examples, target_far=target_far, seed=seed,
                          digest="f" * 64)


HIDDEN = np.zeros(600, dtype=bool)


@pytest.mark.parametrize("examples, rule, counts", [
    ([], "train.no_labels", []),
    ([example("p"), example("q")], "train.one_class",
     [2, 2, 0, 0]),
    ([example("p", (0, 600)), example("q", (0, 600))], "train.one_class",
     [2, 2, 2]),
    ([example("p", (300, 20), scorable=HIDDEN),
      example("q", (300, 20), scorable=HIDDEN)], "train.one_class",
     [2, 2, 2, 0, 0]),
    ([example("p", (300, 20)), example("p", (200, 20)), example("q")],
     "train.few_patients", [3, 2, 2, 1, 2]),
    ([example("p", (300, 20)), example("q", (300, 20), scorable=HIDDEN)],
     "train.few_patients", [2, 2, 2, 1, 2]),
    ([example("p", (300, 20)), example("q", (300, 20), hop_s=2.0)],
     "train.hop", [1, 2]),
])
def test_too_little_to_learn_from_is_an_error_with_its_counts(
        examples, rule, counts):
    with pytest.raises(PreconditionError) as caught:
        train(examples)
    assert caught.value.rule == rule
    found = map(int, re.findall(r"\b\d+\b", caught.value.args[1]))
    assert list(found)[:len(counts)] == counts


def test_the_model_knows_its_data_and_its_alarm():
    examples = [*cohort(3), example("calm", seconds=900)]
    model = train(examples, seed=5)
    rows = forest.training_rows(examples)
    assert model.features == MODEL_FEATURES
    assert model.units == ("bpm", "bpm")
    assert model.card["score_never_falls_with"] == list(MODEL_FEATURES)
    assert model.schema_id == features.SCHEMA_ID
    assert model.hop_s == 1.0
    assert model.settings == {"seed": 5, "target_false_alarms_per_24h": 2.0}
    assert set(model.alarm) == set(asdict(training.RULE))
    assert 0 < model.alarm["threshold"] < 1
    assert model.card["data"] == {
        "fingerprint": "f" * 64, "recordings": 4, "patients": 4,
        "recordings_taken_as_free_of_seizures": 0,
        "patients_with_seizures": 3, "seizures": 3,
        "hours": pytest.approx((3 * 600 + 900) / 3600),
        "rows": 3 * 600 + 900, "rows_learnt_from": len(rows.seizure),
        "rows_of_seizures": int(rows.seizure.sum())}


def test_the_hop_is_that_of_the_recordings():
    assert train(cohort(2, hop_s=0.5)).hop_s == 0.5


def test_what_is_trained_can_be_kept_and_predicts_the_same(tmp_path):
    examples = cohort(3)
    for one in examples:
        one.values[:90] = np.nan
    model = train(examples)
    save_model(tmp_path, model)
    loaded = load_model(tmp_path)
    assert loaded.model_id == model.model_id
    x = examples[0].values
    assert np.array_equal(loaded.forest.probability(x),
                          model.forest.probability(x))


def test_a_model_from_before_the_constraint_is_read_and_scores_as_it_did(
        tmp_path, monkeypatch):
    """Its trees are sound, so an old study can be repeated."""
    examples = cohort(3)
    with monkeypatch.context() as patch:
        patch.setattr(forest, "directions", lambda one: None)
        old = train(examples)
    old = replace(old, card={name: value for name, value in old.card.items()
                             if name != "score_never_falls_with"})
    save_model(tmp_path, old)
    loaded = load_model(tmp_path)
    assert "score_never_falls_with" not in loaded.card
    assert loaded.model_id == old.model_id
    x = np.concatenate([one.values for one in examples])
    assert np.array_equal(loaded.forest.probability(x),
                          old.forest.probability(x))


@pytest.mark.parametrize("people, promised", [(9, False), (12, True)])
def test_the_card_tells_whether_the_target_is_promised(people, promised):
    examples = [*cohort(2, seconds=900), *(
        example(f"calm{number}", seed=20 + number, seconds=4000)
        for number in range(people - 2))]
    assert train(examples, target_far=24.0).card["target_is_promised"] == (
        promised)


def test_two_trainings_are_one_model_and_another_seed_is_not():
    one, two = train(cohort(3)), train(cohort(3))
    assert one.model_id == two.model_id
    assert json.dumps(one.card) == json.dumps(two.card)
    assert train(cohort(3), seed=2).model_id != one.model_id


def test_features_that_are_all_missing_do_not_stop_a_training():
    examples = [replace(one, values=np.full_like(one.values, np.nan),
                        rise=np.full(600, np.nan))
                for one in cohort(2)]
    model = train(examples)
    assert math.isfinite(model.alarm["threshold"])


def test_the_threshold_keeps_the_target_on_patients_left_out():
    examples = cohort(4)
    strict, loose = train(examples, target_far=0), train(
        examples, target_far=1000)
    assert strict.alarm["threshold"] >= loose.alarm["threshold"]
    assert strict.card["validation"]["target_false_alarms_per_24h"] == 0
