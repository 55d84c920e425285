"""An evaluation is nested, patient-wise, and no luckier than chance."""

import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from aura.detector import forest, validation
from aura.detector.alarms import AlarmRule
from aura.detector.training import RULE
from aura.ecg import features
from aura.ecg.rr import Kind
from aura.errors import PreconditionError
from aura.evaluation import (
    chance, detectors, markdown, measures, results)
from aura.evaluation.detectors import (
    DETECTORS, Detector, csi_slope, over_own_highest)
from aura.evaluation.measures import rows_and_labels, summary
from aura.evaluation.nested import Fold, Held, held_out, rescored, rounds
from aura.recording import Event
from aura.scoring.conventions import CONVENTIONS
from aura.scoring.score import score
from tests.evaluation_cases import case, people

FOREST = next(one for one in DETECTORS if one.key == "forest")
FIXED = AlarmRule(threshold=.5, release=1.0, smoothing_s=0, hold_s=0,
                  merge_s=0, refractory_s=0)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Ten trees vote as a hundred do, in a tenth of the time."""
    monkeypatch.setattr(forest, "TREES", 10)
    monkeypatch.setattr(chance, "SHUFFLES", 2)
    monkeypatch.setattr(chance, "SURROGATES", 20)


def evaluated(cases, detectors=DETECTORS, seed=1):
    return results.evaluate(
        cases, target_far=200.0, seed=seed, detectors=detectors)


def row_auc(found):
    return validation.auc(*rows_and_labels(found))


def held(one, *alarms, rule=FIXED):
    """A recording as if a detector had raised these alarms."""
    smoothed = np.full(len(one.time_s), .01)
    for onset_s, duration_s in alarms:
        smoothed[int(onset_s):int(onset_s + duration_s)] = .9
    raised = tuple(Event(*alarm) for alarm in alarms)
    return Held(one, 0, smoothed, smoothed, rule, raised,
                score(one.events, raised, one.duration_s))


# --- who is held out -------------------------------------------------------

def test_everybody_is_scored_once_in_a_round_and_by_strangers():
    cases = people(4, control=5)
    both = rounds(cases)
    assert len(both) == 2
    for one in both:
        tested = [name for fold in one for name in fold.test]
        assert len(tested) == len(set(tested))
        assert {"p0", "p1", "p2", "p3"} <= set(tested)
        for fold in one:
            assert not set(fold.train) & set(fold.test)
    halves = [set(one[-1].test) for one in both]
    assert halves[0] | halves[1] == {f"h{n}" for n in range(5)}
    assert not halves[0] & halves[1]
    for one, half in zip(both, halves, strict=True):
        # No fold of the round learns from the half that is scored.
        assert not any(half & set(fold.train) for fold in one)
        assert set(one[-1].train) >= {"p0", "p1", "p2", "p3"}


def test_without_a_control_group_there_is_one_round():
    (one,) = rounds(people(3))
    assert [fold.test for fold in one] == [("p0",), ("p1",), ("p2",)]
    (one,) = rounds(people(3, control=1))
    assert sorted(name for fold in one for name in fold.test) == [
        "h0", "p0", "p1", "p2"]


def test_a_patient_on_both_sides_is_a_hard_error():
    with pytest.raises(PreconditionError, match=r"train\.leak"):
        Fold(("p0", "p1"), ("p1",)).split(people(3))


def canary(patients=4):
    """Each patient's labels are in a column of their own."""
    cases = people(patients)
    singing = []
    for number, one in enumerate(cases):
        values = np.zeros((len(one.time_s), patients), np.float32)
        values[:, number] = 100.0 * measures.labels(one)
        singing.append(replace(one, values=values, columns=tuple(
            f"label of {name}" for name in range(patients))))
    return singing


def test_the_label_of_who_is_held_out_is_of_no_use():
    cases = canary()
    (dealt,) = rounds(cases)
    found = held_out(cases, dealt, FOREST, 200.0, 1)
    assert row_auc(found) == pytest.approx(.5, abs=.1)
    # A fold that leaks would find them.
    scorer = FOREST.fit(cases, 1)
    leaked = [replace(one, row_score=scorer(one.case)) for one in found]
    assert row_auc(leaked) > .7


def test_a_patient_cannot_change_the_model_that_scores_it():
    cases = people(3)
    spoilt = [replace(cases[0], events=(Event(100, 30),)), *cases[1:]]
    (dealt,) = rounds(cases)
    for detector in DETECTORS:
        one, other = (held_out(given, dealt, detector, 200.0, 1)[0]
                      for given in (cases, spoilt))
        assert one.rule == other.rule
        np.testing.assert_array_equal(one.smoothed, other.smoothed)


# --- what is measured ------------------------------------------------------

def test_the_published_index_is_that_of_a_loop_over_beats():
    random = np.random.default_rng(3)
    rr_s = 0.8 + 0.1 * random.standard_normal(400)
    rr_s[150:200] -= np.linspace(0, .3, 50)
    rr_s[60] = 1.7                             # ectopic: the median's work
    time_s = np.cumsum(rr_s)
    kind = np.zeros(400, np.int8)
    kind[100:103] = Kind.UNSCORABLE
    kind[60] = Kind.ECTOPIC
    end_s = np.arange(1.0, 330.0)
    found = csi_slope(time_s, rr_s, kind, end_s)

    kept = [n for n in range(400) if not 100 <= n < 103]
    for row in (50, 90, 150, 200, 250, 328):
        beats = [n for n in kept if time_s[n] <= end_s[row]]
        if len(beats) < 106:
            assert math.isnan(found[row])
            continue
        smooth = [np.median([1000 * rr_s[b] for b in beats[at - 6:at + 1]])
                  for at in range(len(beats) - 100, len(beats))]
        sd1 = np.std(np.subtract(smooth[1:], smooth[:-1]), ddof=1) / 2 ** .5
        sd2 = np.std(np.add(smooth[1:], smooth[:-1]), ddof=1) / 2 ** .5
        slope = np.polyfit(np.cumsum(smooth) / 1000, smooth, 1)[0]
        assert found[row] == pytest.approx(
            (4 * sd2) ** 2 / (4 * sd1) * abs(slope), rel=1e-6)


def own_highest(*seizures, **changes):
    """An index that is 10 at 100 s and 400 s, 40 at 300 s, else 1."""
    index = np.ones(1200)
    index[[100, 400, 300]] = 10, 10, 40
    index[[700, 800, 900]] = 10.4, 10.5, 60
    return over_own_highest(1 / 6, case(
        "p", *seizures, seconds=1200, csi_slope=index, **changes))


def test_a_personal_threshold_is_the_highest_of_the_first_hours():
    found = own_highest()
    assert np.isnan(found[:600]).all()
    assert found[[700, 900]] == pytest.approx([10.4 / 40, 60 / 40])


@pytest.mark.parametrize("seizure, highest", [
    ((290, 30), 10), ((340, 30), 10), ((200, 20), 10), ((200, 150), 10),
    ((365, 30), 40), ((119, 20), 40), ((119, 183), 10)])
def test_a_seizure_is_no_part_of_the_highest(seizure, highest):
    found = own_highest(seizure)
    assert found[[700, 800, 900]] == pytest.approx(
        np.array([10.4, 10.5, 60]) / highest)


def test_the_published_personal_rule_alarms_from_105_percent_on():
    own = list(detectors.with_own_past(1 / 6))[1]
    one = case("p", (300, 20), (790, 20), seconds=1200,
               csi_slope=np.where(np.arange(1200) == 800, 10.5, 10.0))
    found, = held_out([one], (Fold((), ("p",)),), own, 1.0, 1)
    assert [event.onset_s for event in found.raised] == [801]
    # The seizure in the hours that are learnt from counts as missed.
    assert (found.score.events.tp, found.score.events.ref_true) == (1, 2)


def test_unscorable_time_is_not_learnt_from_and_learning_waits_for_it():
    blind = np.ones(1200, dtype=bool)
    blind[250:350] = False
    found = own_highest(scorable=blind)
    assert np.isnan(found[:700]).all() and np.isfinite(found[700:]).all()
    assert found[900] == pytest.approx(60 / 10)


@pytest.mark.parametrize("level", [0.0, np.nan])
def test_without_a_highest_value_nothing_is_scored(level):
    one = case("p", seconds=1200, csi_slope=np.full(1200, level))
    assert np.isnan(over_own_highest(.1, one)).all()
    assert np.isnan(over_own_highest(24.0, one)).all()


def test_too_few_beats_or_a_steady_heart_give_no_alarm():
    end_s = np.arange(1.0, 200.0)
    few = np.arange(1.0, 90.0)
    assert np.isnan(csi_slope(few, np.ones(89), np.zeros(89), end_s)).all()
    many = np.arange(1.0, 190.0)
    steady = csi_slope(many, np.ones(189), np.zeros(189), end_s)
    assert set(steady[np.isfinite(steady)]) == {0.0}


def test_a_summary_has_counts_rates_and_time_in_alarm():
    found = [held(case(f"p{n}", (900, 60), (2000, 30), seconds=3600, seed=n),
                  (950, 40), (1500, 20), (3000, 60)) for n in range(4)]
    told = summary(found)
    assert (told["people"], told["recordings"], told["hours"]) == (4, 4, 4.0)
    assert (told["seizures"], told["found"], told["false_alarms"]) == (8, 4, 8)
    assert told["in_alarm_share"] == pytest.approx(120 / 3600, abs=1e-6)
    assert told["false_alarms_per_24h"]["value"] == 48
    assert told["smallest_resolvable_per_24h"] == 6.0
    assert told["seconds"]["sensitivity"]["value"] == pytest.approx(
        10 / 90, abs=1e-6)


def test_scorable_hours_have_a_rate_of_their_own():
    scorable = np.ones(3600, dtype=bool)
    scorable[1800:] = False
    told = summary([held(case("p", seconds=3600, scorable=scorable),
                         (100, 20))])
    assert told["false_alarms_per_24h"]["value"] == 24
    assert told["false_alarms_per_scorable_24h"]["value"] == 48
    assert told["scorable_hours"] == .5


def test_what_cannot_be_scored_is_missed_and_its_hours_do_not_count():
    blind = np.zeros(600, dtype=bool)
    cases = [*people(3), case("p9", (300, 20), name="r-blind",
                              scorable=blind)]
    told = evaluated(cases, [FOREST])
    lost = told["data"]["nothing_scorable"]
    assert lost == {"recordings": ["r-blind"],
                    "hours_not_counted": pytest.approx(1 / 6, abs=1e-6),
                    "seizures_counted_as_missed": 1}
    everybody = told["detectors"][0]["rounds"][0]["everybody"]
    assert (everybody["found"], everybody["seizures"]) == (3, 4)
    assert everybody["hours"] == pytest.approx(.5)


def test_latencies_are_onset_to_alarm():
    one = held(case("p", (300, 40), (1500, 40), seconds=3600),
               (340, 20), (1490, 30))
    assert [results.latency(one, place) for place in (0, 1)] == [40.0, -10.0]
    told = summary([one])["latency_s"]
    assert told["median"] == 15.0
    assert told["percentile_95"] == pytest.approx(37.5)
    assert results.latency(held(one.case), 0) is None


def cells(name, part):
    """Cells of a row of the report, without the detector's name."""
    detector = {"name": "own", "rounds": [part],
                "people_without_seizures": None}
    return markdown._table({"detectors": [detector]}, name)[-1][2:-2].split(
        " | ")[1:]


def test_seizures_in_unreadable_time_count_as_missed_by_intention_to_detect():
    scorable = np.ones(3600, dtype=bool)
    scorable[1790:1950] = False
    whole = [held(case("p0", (300, 40), (1800, 100), seconds=3600,
                       scorable=scorable), (310, 20)),
             held(case("p1", (300, 40), seconds=3600), (2000, 36))]
    part = results._results(whole, [], seed=1)
    assert [(one["scorable"], one["latency_s"]) for one in part["seizures"]
            ] == [(True, 10), (False, None), (True, None)]
    assert part["everybody"]["unreadable_share"] == pytest.approx(
        160 / 7200, abs=1e-6)
    assert part["over_people"]["sensitivity"] == {
        "mean": .25, "std": .25, "median": .25, "low": 0, "high": .5,
        "patients": 2}
    assert cells("clinical", part) == [
        "1/3", "1/2", "0.25 (0.00 to 0.50)", "12.00 (0.00 to 24.00)",
        "0.78 %", "2.22 %"]


@pytest.mark.parametrize("onset_s, readable", [
    (99.5, True), (100.0, False), (150.0, False), (199.0, False),
    (200.0, True)])
def test_a_seizure_of_unknown_length_is_readable_where_it_begins(
        onset_s, readable):
    scorable = np.ones(600, dtype=bool)
    scorable[100:200] = False
    one = held(case("p", (onset_s, 0), scorable=scorable))
    assert results._seizure(one, 0)["scorable"] == readable


def test_conventions_of_an_evaluation_are_those_of_its_alarms():
    whole = [held(case("p0", (300, 40), (1500, 40), seconds=3600), (350, 20),
                  (1510, 20)), held(case("h", seconds=3600), (10, 20))]
    part = results._results(whole, ["h"], seed=1)
    found = part["by_convention"]
    assert {key: (one["found"], one["annotated"], one["false_per_24h"])
            for key, one in found.items()} == {
        "szcore_events": (2, 2, 12), "szcore_samples": (20, 80, 480),
        "any_overlap": (1, 2, 24), "time_aligned": (.5, 2, 24),
        "as_given": (2, 2, 12)}
    assert cells("conventions", part) == [
        "2/2, 12.00 per 24 h", "20/80, 480.00 per 24 h",
        "1/2, 24.00 per 24 h", "0.5/2, 24.00 per 24 h", "2/2, 12.00 per 24 h"]
    heads = [head for head, _ in markdown._TEXTS["table"]["conventions"]]
    assert heads == list(CONVENTIONS.values())


@pytest.mark.parametrize("patients, each, at_most, missing", [
    (3, 2, 1, ["patients with seizures: 7 more", "seizures: 9 more"]),
    (9, 3, 1, ["patients with seizures: 1 more"]),
    (10, 1, 1, ["seizures: 5 more"]),
    (10, 2, 2, ["patients with seizures: 10 more", "seizures: 10 more"]),
    (30, 3, 2, [])])
def test_the_phase_of_a_study_follows_from_its_numbers(
        patients, each, at_most, missing):
    cases = [case(f"p{number}", *((100 * k + 100, 20) for k in range(each)))
             for number in range(patients)]
    told = results.study_phase([*cases, case("h")])
    assert told["at_most"] == at_most
    named = told["missing_for_next"]
    assert named[:len(missing)] == missing
    assert not any("more" in text for text in named[len(missing):])
    assert any("device" in text for text in named) == (at_most == 1)
    assert any("blinded" in text for text in named) == (at_most == 2)


# --- chance ----------------------------------------------------------------

def test_shifted_alarms_hit_as_often_as_their_share_of_time(monkeypatch):
    monkeypatch.setattr(chance, "SURROGATES", 1500)
    one = held(case("p", (1800, 60), seconds=3600), (1800, 40))
    found = chance.by_shifted_alarms([one], seed=1)
    # An alarm of 40 s meets 30 + 60 + 60 s wherever it starts in 190 s.
    expected = (40 + 150) / 3600
    assert found.mean == pytest.approx(
        expected, abs=4 * math.sqrt(expected / 1500))
    assert found.p_value == pytest.approx(found.mean, abs=.001)
    assert chance.by_shifted_alarms([held(one.case)], seed=1).p_value == 1.0


def test_an_alarm_that_is_shifted_over_the_end_goes_on_at_the_start():
    one = held(case("p", (100, 40), seconds=600), (500, 80))
    parts = chance._shifted(one, 60.0)
    assert parts == [Event(560.0, 40.0), Event(0.0, 40.0)]


def test_resampled_patients_have_the_spread_of_two_coins():
    cases = people(2)
    found = chance.by_patients(
        [held(cases[0], (300, 30)), held(cases[1], (50, 30))], seed=1)
    # Both, one or none of the two draws is the patient who was found.
    assert (found["sensitivity"].low, found["sensitivity"].high) == (0, 1)
    assert (found["false_alarms_per_24h"].low,
            found["false_alarms_per_24h"].high) == (0, 144)
    alike = chance.by_patients([held(one, (300, 40)) for one in cases], 1)
    assert alike["sensitivity"] == chance.Resampled(1.0, 1.0, 0)


def test_resamples_without_a_seizure_are_counted():
    one, other = people(1, control=1)
    found = chance.by_patients([held(one), held(other)], seed=1)
    assert found["sensitivity"].undefined == pytest.approx(500, abs=80)
    nobody = chance.by_patients([held(other)], seed=1)
    assert nobody["sensitivity"].undefined == chance.RESAMPLES
    assert math.isnan(nobody["sensitivity"].low)


def test_a_curve_is_what_its_thresholds_give():
    cases = [*people(3, surge=20.0), case("h", seed=8)]
    (dealt,) = rounds(cases)
    detector = replace(FOREST, rule=replace(RULE, hold_s=2.0))
    found = held_out(cases, dealt, detector, 200.0, 1)
    points = measures.curve(found, ["h"])
    assert [one.threshold for one in points] == sorted(
        (one.threshold for one in points), reverse=True)
    for point in points:
        scores = [rescored(one, point.threshold).events for one in found]
        assert point.found == sum(one.tp for one in scores)
        assert point.seizures == 3
        assert point.false_alarms_per_24h == pytest.approx(
            sum(one.fp for one in scores) * 24 * 6 / len(cases))
        assert point.healthy_per_24h == 144 * sum(
            one.fp for one, of in zip(scores, found, strict=True)
            if of.case.patient == "h")
    assert all(one.false_alarms_per_24h <= measures.HIGHEST_RATE
               for one in points[:-1])


def test_reliability_counts_rows_by_their_probability():
    one = held(case("p", (100, 50), seconds=600))
    score_ = np.full(600, .05)
    score_[100:125] = .95
    score_[300:325] = .95
    score_[500:] = np.nan
    found = measures.reliability([replace(one, row_score=score_)])
    assert found.rows == (450, 50)
    assert found.observed == pytest.approx((25 / 450, .5))
    assert found.predicted == pytest.approx((.05, .95), abs=1e-6)
    truth = measures.labels(one.case)[:500]
    assert found.brier == pytest.approx(
        brier_score_loss(truth, score_[:500]))
    assert found.prevalence == .1
    assert row_auc([replace(one, row_score=score_)]) == (
        pytest.approx(roc_auc_score(truth, score_[:500])))


# --- self-tests ------------------------------------------------------------

def test_shuffled_labels_give_chance_where_true_ones_do_not(monkeypatch):
    monkeypatch.setattr(chance, "SHUFFLES", 12)
    cases = [case(f"p{n}", (600, 60), (1500, 60), seconds=3600, seed=n)
             for n in range(3)]
    (dealt,) = rounds(cases)
    assert row_auc(held_out(cases, dealt, FOREST, 200., 1)) > .9
    found = chance.shuffled_labels(cases, seed=1)
    assert found.repetitions == 12
    assert found.auc == pytest.approx(.5, abs=.12)


def test_who_is_annotated_as_one_seizure_throughout_costs_only_themselves():
    cases = [case("p0", (0, 600), seconds=600),
             case("p1", (300, 40), seconds=600, seed=1)]
    told = evaluated(cases)
    assert len(told["detectors"]) == len(DETECTORS)
    counted = told["detectors"][0]["rounds"][0]["everybody"]["seizures"]
    assert (counted, told["data"]["seizures_annotated"]) == (3, 2)
    markdown.markdown(told)
    for found in told["self_tests"].values():
        assert found["auc"] is None or 0 <= found["auc"] <= 1


def test_the_highest_seed_that_is_allowed_shuffles_as_well(monkeypatch):
    monkeypatch.setattr(chance, "SHUFFLES", 2)
    cases = [case(f"p{n}", (600, 60), seconds=1200, seed=n)
             for n in range(2)]
    assert chance.shuffled_labels(cases, seed=2**32 - 1).repetitions == 2


def test_moved_seizures_keep_number_and_length():
    one = case("p", (300, 40), (500, 60), seconds=600)
    random = np.random.default_rng(1)
    for _ in range(50):
        moved = chance._moved(one, random)
        assert sorted(event.duration_s for event in moved.events) == [40, 60]
        assert all(0 <= event.onset_s and event.end_s <= 600
                   for event in moved.events)


def test_missing_features_are_found_out_if_they_tell():
    def cases(tells):
        made = []
        for one in people(4):
            missing = np.zeros((600, len(features.NAMES)), dtype=bool)
            missing[:, 3] = measures.labels(one) if tells else (
                np.random.default_rng(len(made)).random(600) < .3)
            made.append(replace(one, missing=missing))
        return made
    assert chance.missingness_only(cases(True), 1).auc > .99
    assert chance.missingness_only(cases(False), 1).auc == pytest.approx(
        .5, abs=.1)


# --- the report ------------------------------------------------------------

def test_the_fixed_rule_keeps_its_threshold_and_the_others_choose():
    told = evaluated(people(2), [
        one for one in DETECTORS if one.key != "boosting"])
    by_key = {one["key"]: one for one in told["detectors"]}
    assert set(by_key["rule"]["rounds"][0]["thresholds"]) == {1.5}
    assert by_key["rule"]["threshold"] == "fixed"
    for key in ("rule_chosen", "csi_slope", "logistic", "forest"):
        assert by_key[key]["threshold"] == "chosen in each fold"


def test_the_first_row_is_the_rule_that_training_compares_with():
    cases = people(3, surge=60.0)
    (dealt,) = rounds(cases)
    found = held_out(cases, dealt, DETECTORS[0], 1.0, 1)
    assert {one.case.patient: one.score for one in found} == (
        validation.heart_rate_rule(cases))
    assert sum(one.score.events.tp for one in found) == 3


def test_one_patient_only_is_refused():
    with pytest.raises(PreconditionError) as caught:
        evaluated([case("p", (300, 20)), case("p", (100, 20)), case("h")])
    assert caught.value.rule == "train.few_patients"


def test_a_detector_that_finds_nothing_has_no_latency_and_no_rate_of_hits():
    never = Detector(
        "never", "never", "Says nothing.", FIXED,
        lambda cases, seed: lambda one: np.zeros(len(one.time_s)),
        fixed=True)
    told = evaluated(people(2), [never])
    found = told["detectors"][0]["rounds"][0]["everybody"]
    assert found["found"] == 0
    assert found["sensitivity"]["value"] == 0
    assert found["latency_s"]["median"] is None
    assert found["precision"]["value"] is None
    assert told["detectors"][0]["rounds"][0]["by_shifted_alarms"] == {
        "mean": 0.0, "high": 0.0, "p_value": 1.0}
    text = markdown.markdown(told)
    assert "| never | 0/2 |" in text
    assert "| never | 0/2, 0.00 per 24 h |" in text
    assert "| never | 0/2 | 0/2 | 0.00 (0.00 to 0.00) |" in text
    assert "this is a study of phase 1 at most" in text
    # Two of two are missed, whoever is drawn.
    assert "| never | 0.00 (0.00 to 0.00) | 0.00 (0.00 to 0.00) |" in text


def test_markdown_has_rates_of_scorable_hours_and_over_people():
    part = {
        "everybody": {
            "sensitivity": {"value": .5},
            "false_alarms_per_24h": {"value": 1.25},
            "false_alarms_per_scorable_24h": {
                "value": 2.5, "low": .3, "high": 9.03},
            "alarms_not_merged_per_24h": {"value": None}},
        "by_resampled_people": {
            "sensitivity": {"low": .25, "high": 1.0, "undefined": 0},
            "false_alarms_per_24h": {"low": None, "high": None,
                                     "undefined": 2000}}}
    assert cells("together", part) == [
        "0.50 (0.25 to 1.00)", "1.25 (-)", "2.50", "0.30 to 9.03", "-"]
