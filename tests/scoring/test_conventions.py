"""Four conventions, each equal to a slow one written from its definition."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from aura.recording import Event
from aura.scoring.conventions import CONVENTIONS, by_convention
from aura.scoring.report import convention_rates
from tests.scoring.test_score import case, events, oracle, too_short


def counted(reference, hypothesis, duration_s):
    return dict(zip(CONVENTIONS, by_convention(
        reference, hypothesis, duration_s), strict=True))


def spans(listed):
    """Starts and ends with four decimals, as files of NEDC have them."""
    return [(round(event.onset_s, 4), round(event.end_s, 4))
            for event in listed]


def shared(first, second):
    """Seconds that two spans have in common."""
    return max(0.0, min(first[1], second[1]) - max(first[0], second[0]))


def slow_any_overlap(reference, hypothesis, before_s=0, after_s=0):
    """A seizure is found, and an alarm right, if any of the other meets it."""
    alarms = spans(hypothesis)
    truth = [(start - before_s, end + after_s)
             for start, end in spans(reference)]
    found = sum(any(shared(one, alarm) > 0 for alarm in alarms)
                for one in truth)
    false = sum(not any(shared(one, alarm) > 0 for one in truth)
                for alarm in alarms)
    return found, len(truth), false


def slow_time_aligned(reference, hypothesis):
    """
    TAES, pair after pair as in the program that its authors publish.

    A pair of a seizure and an alarm that overlap gives the share of the
    seizure that is covered, and the time of the alarm outside it in lengths
    of the seizure, at most 1. An alarm that goes on to the end of a seizure
    or further makes all later seizures under it missed. Otherwise the later
    alarms in the same seizure add their shares.
    """
    truth, alarms = spans(reference), spans(hypothesis)
    open_truth, open_alarms = [True] * len(truth), [True] * len(alarms)
    hit = missed = false = 0.0

    def parts(one, alarm):
        length = one[1] - one[0]
        covered = shared(one, alarm)
        early = max(0.0, one[0] - alarm[0])
        late = max(0.0, alarm[1] - one[1])
        return covered / length, min(1.0, (early + late) / length)

    for i, one in enumerate(truth):
        for j, alarm in enumerate(alarms):
            if not (open_truth[i] and open_alarms[j]
                    and shared(one, alarm) > 0):
                continue
            covered, outside = parts(one, alarm)
            open_truth[i] = open_alarms[j] = False
            if alarm[1] >= one[1]:
                for k in range(i + 1, len(truth)):
                    if shared(truth[k], alarm) > 0 and open_truth[k]:
                        open_truth[k] = False
                        missed += 1
            else:
                for k in range(j + 1, len(alarms)):
                    if shared(one, alarms[k]) > 0:
                        open_alarms[k] = False
                        more, further = parts(one, alarms[k])
                        covered += more
                        outside += further
            hit += covered
            missed += 1 - covered
            false += outside
    missed += sum(open_truth)
    false += sum(open_alarms)
    assert hit + missed == pytest.approx(len(truth))
    return hit, len(truth), false


def test_all_conventions_equal_their_oracles_on_1000_random_pairs():
    rng = np.random.default_rng(15)
    compared, several = 0, {name: 0 for name in CONVENTIONS}
    while compared < 1000:
        reference, hypothesis, duration_s = pair = case(rng)
        by_event, by_sample = oracle(*pair)
        if too_short(by_event):
            continue
        compared += 1
        found = counted(*pair)
        assert found["szcore_events"] == (
            by_event.tp, by_event.refTrue, by_event.fp), pair
        assert found["szcore_samples"] == (
            by_sample.tp, by_sample.refTrue, by_sample.fp), pair
        assert found["any_overlap"] == slow_any_overlap(
            reference, hypothesis), pair
        assert found["time_aligned"] == pytest.approx(
            slow_time_aligned(reference, hypothesis)), pair
        assert found["as_given"] == slow_any_overlap(
            reference, hypothesis, 30, 60), pair
        for name, (hit, _, false) in found.items():
            several[name] += hit > 0 and false > 0
    assert min(several.values()) > 100


GRID = st.lists(st.integers(0, 40), unique=True, max_size=12).map(sorted)


def paired(edges):
    """Disjoint events on a grid of seconds, where edges often coincide."""
    return events(*zip(edges[::2], edges[1::2]))


@settings(max_examples=1000, deadline=None)
@given(GRID.map(paired), GRID.map(paired))
def test_events_that_touch_or_share_edges_equal_the_oracles(first, second):
    found = counted(first, second, 60.0)
    assert found["any_overlap"] == slow_any_overlap(first, second)
    assert found["time_aligned"] == pytest.approx(
        slow_time_aligned(first, second))


def test_the_examples_of_the_definition():
    # One alarm over five seizures: the first is found, four are missed.
    five = [(100 * k, 100 * k + 20) for k in range(1, 6)]
    found = counted(events(*five), events((90, 530)), 3600)
    assert found["time_aligned"] == (1, 5, 1)
    assert found["any_overlap"] == (5, 5, 0)
    # Two alarms in one seizure add up; the second goes on for half of it.
    found = counted(events((100, 200)), events((110, 130), (180, 250)), 3600)
    assert found["time_aligned"] == pytest.approx((.4, 1, .5))
    assert found["as_given"] == (1, 1, 0)


def test_alarms_near_a_seizure_are_right_only_with_tolerances():
    found = counted(events((600, 660)), events((580, 590), (700, 710)), 3600)
    assert found["szcore_events"] == found["as_given"] == (1, 1, 0)
    assert found["any_overlap"] == found["time_aligned"] == (0, 1, 2)


@pytest.mark.parametrize("at", [0.0, 600.0, 3599.99])
def test_events_without_length_are_counted_once(at):
    points = [Event(at, 0.0)]
    found = counted(points, points, 3600.0)
    assert found["any_overlap"] == (1, 1, 0)
    assert found["time_aligned"] == pytest.approx((1, 1, 0))


def test_events_that_overlap_each_other_count_as_their_union():
    twice = events((100, 160), (130, 200))
    once = counted(events((100, 200)), events((150, 250)), 3600)
    assert counted(twice, events((150, 250)), 3600) == once
    # Alarms that only touch are two.
    assert counted(events((100, 200)), events((150, 200), (200, 250)),
                   3600)["any_overlap"] == (1, 1, 1)


def test_rates_are_those_of_the_summed_counts():
    pairs = [(events((600, 660)), events((610, 640)), 3600.0),
             ((), events((10, 40), (1000, 1010)), 7200.0)]
    rates = convention_rates([by_convention(*pair) for pair in pairs], 3.0)
    assert rates["time_aligned"] == {
        "found": .5, "annotated": 1, "false": 2, "sensitivity": .5,
        "precision": .2, "f1": pytest.approx(1 / 3.5, abs=1e-6),
        "false_per_24h": 16}
    nothing = convention_rates([], 0.0)["any_overlap"]
    assert nothing == {"found": 0, "annotated": 0, "false": 0} | dict.fromkeys(
        ("sensitivity", "precision", "f1", "false_per_24h"))
    assert not any(isinstance(value, float) and math.isnan(value)
                   for row in rates.values() for value in row.values())


def test_ten_thousand_events_take_no_time():
    many = events(*((10 * k, 10 * k + 5) for k in range(10_000)))
    later = events(*((10 * k + 3, 10 * k + 6) for k in range(10_000)))
    found = counted(many, later, 100_000.0)
    assert found["any_overlap"] == (10_000, 10_000, 0)
    assert found["time_aligned"] == pytest.approx((4000, 10_000, 2000))
