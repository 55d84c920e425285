"""Validation scores each patient by a model and threshold of others."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from aura.detector import forest, threshold, trees, validation
from aura.detector.alarms import alarms, smooth
from aura.detector.training import RULE
from aura.detector.validation import (
    check_disjoint,
    cross_validate,
    folds,
    heart_rate_rule,
    metrics,
    out_of_fold,
)
from aura.errors import PreconditionError
from aura.recording import Event
from aura.scoring.intervals import rate_per_24h
from tests.learning_examples import cohort, example


@pytest.fixture(autouse=True)
def small_forests(monkeypatch):
    """Ten trees instead of a hundred take a tenth of the time."""
    monkeypatch.setattr(forest, "TREES", 10)


def unscorable(patient):
    """A seizure without a scorable row."""
    return example(patient, (300, 20), scorable=np.zeros(600, dtype=bool))


def validated(examples, target_far=1000.0):
    return cross_validate(examples, RULE, target_far, seed=1)


def test_a_patient_on_both_sides_is_a_hard_error():
    one, other = example("p"), example("q")
    check_disjoint([one], [other])
    with pytest.raises(PreconditionError, match="train.leak.* q "):
        check_disjoint([one, other], [replace(other, duration_s=1.0)])


def test_under_twenty_patients_each_is_held_out_alone():
    examples = [*cohort(3), example("a"), example("z"), example("p1")]
    assert folds(examples) == [("p0", "a"), ("p1", "z"), ("p2",)]


def test_twenty_patients_are_dealt_into_five_folds():
    examples = [example(f"p{n:02d}", (30, 20), seconds=100)
                for n in range(20)] + [example("x", seconds=100)]
    dealt = folds(examples)
    assert sorted(len(fold) for fold in dealt) == [4, 4, 4, 4, 5]
    assert all(set(fold) - {"x"} for fold in dealt)
    assert sorted(name for fold in dealt for name in fold) == sorted(
        {one.patient for one in examples})


def test_seizures_that_cannot_be_scored_make_no_fold():
    assert folds([*cohort(2), unscorable("a")]) == [("p0", "a"), ("p1",)]
    found = validated([*cohort(2), unscorable("a"), unscorable("b")])
    assert found.folds == 2
    assert found.patients["a"].events.ref_true == 1
    assert found.patients["a"].events.tp == 0


def test_a_recording_that_is_all_seizure_can_be_validated():
    whole = example("p9", (0, 600))
    assert len(validated([cohort(1)[0], whole]).patients) == 2


@pytest.mark.parametrize("examples", [cohort(3), cohort(2, seconds=3600)])
def test_the_held_out_patient_cannot_change_its_own_model_or_threshold(
        examples):
    def seen(examples):
        chosen = []
        choose = validation.threshold.choose

        def watch(*given):
            chosen.append(choose(*given))
            return chosen[-1]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(validation.threshold, "choose", watch)
            fits = []
            fit = forest.fit
            patch.setattr(validation.forest, "fit", lambda *given: fits.append(
                fit(*given)) or fits[-1])
            cross_validate(examples, RULE, 1.0, seed=1)
        return chosen, fits

    def spoilt(one):
        return replace(
            one, values=-one.values, rise=-one.rise,
            events=(Event(100, 30),))

    before, models = seen(examples)
    after, others = seen([spoilt(examples[0]), *examples[1:]])
    # The first fold holds out the first patient; its outer fit comes first.
    assert before[0] == after[0]
    per_fold = len(models) // len(examples)
    for one, two in zip(models[:per_fold], others[:per_fold], strict=True):
        assert [tree.tree_.threshold.tolist() for tree in one.estimators_] \
            == [tree.tree_.threshold.tolist() for tree in two.estimators_]
    # The folds that train on it do change.
    assert any(
        one.estimators_[0].tree_.threshold.tolist()
        != two.estimators_[0].tree_.threshold.tolist()
        for one, two in zip(models[per_fold:], others[per_fold:],
                            strict=True))


def test_no_recording_is_scored_by_a_model_of_its_patient(monkeypatch):
    fit, of, given = forest.fit, trees.of, trees.Forest.probability
    owners = {one.values[0].tobytes(): one.patient for one in cohort(4)}
    asked = []

    def fit_on(examples, seed):
        grown = fit(examples, seed)
        grown.patients = {one.patient for one in examples}
        return grown

    def trees_of(grown):
        found = of(grown)
        found.patients = grown.patients
        return found

    def probability(model, x):
        asked.append(owners[x[0].tobytes()] in model.patients)
        return given(model, x)

    monkeypatch.setattr(validation.forest, "fit", fit_on)
    monkeypatch.setattr(validation.trees, "of", trees_of)
    monkeypatch.setattr(trees.Forest, "probability", probability)
    validated(cohort(4))
    assert asked == [False] * (4 + 4 * 3)
    asked.clear()
    out_of_fold(cohort(3), RULE, 1)
    assert asked == [False] * 3


def test_clear_seizures_are_found_in_patients_never_seen():
    found = validated([*cohort(4), example("calm", seed=9)])
    assert found.pooled.events.tp == 4
    assert found.pooled.events.fp == 0
    assert found.roc_auc > .95
    assert found.patients["calm"].events.ref_true == 0


def test_shuffled_labels_give_chance():
    def shuffled(one, seed):
        onset_s = float(np.random.default_rng(seed).integers(50, 550))
        return replace(one, events=(Event(onset_s, 40.0),))

    aucs = [validated([shuffled(one, 10 * run + place) for place, one
                       in enumerate(cohort(4, surge=0.0))]).roc_auc
            for run in range(3)]
    assert np.mean(aucs) == pytest.approx(.5, abs=.12)


def near(alarm, event):
    """Whether they overlap within SzCORE's tolerance."""
    return (alarm.onset_s < event.end_s + 60
            and alarm.end_s > event.onset_s - 30)


def test_the_numbers_are_those_of_a_validation_by_hand():
    examples = cohort(3, surge=12.0)
    found = validated(examples, target_far=50.0)
    probabilities, labels = [], []
    for one in examples:
        others = [other for other in examples if other is not one]
        rule = threshold.choose(out_of_fold(others, RULE, 1), RULE, 50.0)
        probability = forest.fit(others, 1).predict_proba(one.values)[:, 1]
        raised = alarms(smooth(probability, 1.0, rule), 1.0, rule)
        score = found.patients[one.patient].events
        assert score.ref_true == len(one.events) == 1
        assert score.tp == any(near(a, one.events[0]) for a in raised)
        assert score.fp == sum(not near(a, one.events[0]) for a in raised)
        assert score.hours == pytest.approx(600 / 3600)
        probabilities.append(probability)
        labels.append((one.time_s > one.events[0].onset_s)
                      & (one.time_s <= one.events[0].end_s))
    assert found.roc_auc == pytest.approx(roc_auc_score(
        np.concatenate(labels), np.concatenate(probabilities)))
    assert found.folds == 3


def test_the_card_has_the_sums_and_the_smallest_rate_that_can_be_shown():
    found = validated([*cohort(3), example("calm")])
    card = metrics(found, 2.5)
    pooled = card["pooled"]
    assert json.loads(json.dumps(card, allow_nan=False)) == card
    for key in ("seizures", "found", "false_alarms"):
        assert pooled[key] == sum(
            score[key] for score in card["patients"].values())
    assert card["hours"] == pooled["hours"] == pytest.approx(4 * 600 / 3600)
    assert card["smallest_resolvable_false_alarms_per_24h"] == (
        pytest.approx(24 / card["hours"]))
    assert card["target_false_alarms_per_24h"] == 2.5
    assert pooled["sensitivity"]["value"] == (
        pooled["found"] / pooled["seizures"])
    assert pooled["sensitivity"]["low"] <= pooled["sensitivity"]["value"]
    assert card["patients"]["calm"]["sensitivity"]["value"] is None
    assert card["one_line_rule"]["seizures"] == pooled["seizures"] == 3


def test_the_card_tells_what_strangers_may_expect():
    found = validated(cohort(2))
    one = found.patients["p0"]

    def person(false_alarms, hours=24.0):
        return replace(one, events=replace(
            one.events, fp=false_alarms, hours=hours))

    known = replace(found, patients={
        "a": person(0), "b": person(2), "c": person(3, 48.0), "d": person(9),
        "unscorable": person(0, 0.0)})
    told = metrics(known, 2.0)["strangers"]
    # Two in 24 h are the target, and no more than that.
    assert (told["people"], told["people_above_target"]) == (4, 1)
    assert told["of_ten_above_target"]["value"] == pytest.approx(2.5)
    assert told["of_ten_above_target"]["high"] > 7
    rate = told["false_alarms_per_24h"]
    assert rate["value"] == pytest.approx(14 / 5)
    exact = rate_per_24h(14, 120.0)
    assert rate["low"] < exact.low and rate["high"] > exact.high


def test_the_comparison_with_the_heart_rate_rule_looks_at_both_counts():
    found = validated(cohort(2))
    for tp, fp, good in ((0, 0, True), (1, 0, False), (0, -1, False)):
        other = replace(found, rule={"p": replace(
            found.pooled, events=replace(
                found.pooled.events, tp=found.pooled.events.tp + tp,
                fp=found.pooled.events.fp + fp))})
        assert other.comparison.startswith("No worse than") == good


def test_the_heart_rate_rule_needs_1_5_times_the_median_for_5_s():
    rate = np.full(1200, 70.0)
    rate[600:610] = 106
    rate[900:904] = 106                        # not held for 5 s
    one = example("p", (590, 30), seconds=1200, heart_rate=rate)
    (score,) = heart_rate_rule([one]).values()
    assert (score.events.tp, score.events.fp) == (1, 0)
    rate[600:610] = 104                        # not above 1.5
    (score,) = heart_rate_rule([replace(one, heart_rate=rate)]).values()
    assert score.events.tp == 0


def test_rows_of_one_class_have_no_auc():
    found = validated([unscorable("a"), *cohort(2)])
    assert math.isfinite(found.roc_auc)
    assert math.isnan(validation.auc(
        np.array([.1, .2]), np.array([False, False])))
