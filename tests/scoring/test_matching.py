"""The events behind the numbers of `aura.scoring.score`."""

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from aura.recording import Event
from aura.scoring.matching import EventRules, agree
from aura.scoring.score import score

SPANS = st.lists(st.tuples(st.floats(0, 3600), st.floats(0, 700)), max_size=9)


def events(*spans):
    return [Event(start, end - start) for start, end in spans]


def told(found):
    return [(one.outcome, one.onset_s, one.end_s, one.matches)
            for one in found.judged]


@given(SPANS, SPANS)
def test_there_are_as_many_of_each_outcome_as_the_score_says(first, second):
    reference, hypothesis = (
        [Event(*span) for span in spans] for spans in (first, second))
    found = agree(reference, hypothesis, 3600.0)
    counted = score(reference, hypothesis, 3600.0).events
    outcomes = [one.outcome for one in found.judged]
    assert outcomes.count("TP") == counted.tp
    assert outcomes.count("FP") == counted.fp
    assert outcomes.count("FN") == counted.ref_true - counted.tp
    latencies = [one.latency_s for one in found.judged
                 if not math.isnan(one.latency_s)]
    assert sorted(latencies) == pytest.approx(sorted(counted.latencies_s))
    for one in found.judged:
        assert bool(one.matches) == (one.outcome == "TP")
        assert all(found.right[number] for number in one.matches)
    assert found.found.all() or counted.tp < counted.ref_true
    assert found.right.all() or counted.fp
    assert counted.tp or not found.found.any() and not found.right.any()


def test_a_seizure_names_the_alarms_that_meet_it_tolerances_included():
    found = agree(events((1000, 1060), (2000, 2040), (3000, 3030)),
                  events((100, 130), (975, 985), (1110, 1130), (2101, 2110),
                         (3010, 3020)), 3600.0)
    assert told(found) == [
        ("FP", 100, 130, ()), ("TP", 1000, 1060, (1, 2)),
        ("FN", 2000, 2040, ()), ("FP", 2101, 2110, ()),
        ("TP", 3000, 3030, (4,))]
    assert [one.latency_s for one in found.judged][1:5:3] == [-25, 10]
    assert found.found.tolist() == [True, False, True]
    assert found.right.tolist() == [False, True, True, False, True]


@pytest.mark.parametrize("alarms, matches, right", [
    # The window is 970 to 1090 s. An alarm at its edge does not match, though
    # it may be joined with one that does.
    ([(960, 970), (1010, 1020), (1090, 1099)], (1,), [True] * 3),
    ([(1000, 1010), (1095, 1105)], (0,), [True] * 2),
    ([(960, 970)], (), [False]), ([(1090, 1100)], (), [False]),
    # Alarms without length: inside, and outside.
    ([(1030, 1030), (1200, 1200)], (0,), [True, False]),
    # A long alarm is cut; only its first 300 s match.
    ([(1080, 1700)], (0,), [True]),
    ([(1080, 1380), (1380, 1700)], (0,), [True, False])])
def test_alarms_inside_the_tolerances_match(alarms, matches, right):
    found = agree(events((1000, 1030)), events(*alarms), 3600.0)
    (seizure,) = [one for one in found.judged if one.outcome != "FP"]
    assert seizure.matches == matches
    assert found.right.tolist() == right


def test_alarms_without_length_at_the_ends_of_pieces_are_right():
    found = agree(events((1000, 1200)), [
        Event(1000, 0), Event(1000, 200), Event(1200, 0), Event(3000, 0)],
        3600.0)
    assert found.right.tolist() == [True] * 3 + [False]


def test_alarms_that_only_their_gap_makes_right_are_both_named():
    rules = EventRules(tolerance_before_s=0, tolerance_after_s=0)
    found = agree(events((540, 560)), events((500, 520), (580, 600)),
                  3600.0, rules)
    assert told(found) == [("TP", 540, 560, (0, 1))]
    assert math.isnan(found.judged[0].latency_s)
    assert found.right.tolist() == [True, True]


def test_pieces_of_a_long_seizure_have_one_latency():
    found = agree(events((1000, 1700)), events((1010, 1690)), 3600.0)
    assert [(one.outcome, one.onset_s) for one in found.judged] == [
        ("TP", 1000), ("TP", 1300), ("TP", 1600)]
    assert found.judged[0].latency_s == 10
    assert all(math.isnan(one.latency_s) for one in found.judged[1:])


def test_what_is_no_seizure_is_passed_over():
    found = agree([Event(0, 3600, "bckg")], [Event(5, 5, "impd")], 3600.0)
    assert found.judged == ()
    assert found.predicted.shape == found.annotated.shape == (0, 2)


def test_ten_thousand_events_take_seconds():
    starts = np.arange(10_000) * 8.0
    listed = [Event(start, 3.0) for start in starts.tolist()]
    apart = EventRules(merge_gap_s=1.0, tolerance_before_s=0,
                       tolerance_after_s=0)
    found = agree(listed, listed, 80_000.0, apart)
    assert [one.matches for one in found.judged] == [
        (number,) for number in range(10_000)]
