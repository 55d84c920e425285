"""From probabilities to alarms: every clause of the rule, and an oracle."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, strategies as st

from aura.detector.alarms import AlarmRule, alarms, smooth, trailing_min
from aura.recording import Event

NAN = float("nan")
# Every time is in rows of a second; no smoothing unless a test wants it.
RULE = AlarmRule(threshold=0.5, release=0.5, smoothing_s=1, hold_s=2,
                 merge_s=3, refractory_s=6, max_length_s=8)


def spans(text, rule=RULE, hop_s=1.0):
    """Alarms of a row of digits, tenths of 1; '-' cannot be scored."""
    values = np.array([NAN if c == "-" else int(c) / 10 for c in text])
    return [(event.onset_s, event.end_s)
            for event in alarms(values, hop_s, rule)]


@pytest.mark.parametrize("text, expected", [
    ("", []),
    ("0000", []),
    ("05550000", [(3, 5)]),        # raised in the second row that holds
    ("00050000", []),              # one row is not held
    ("05050505", []),              # nor are rows apart
    ("0999400", [(3, 6)]),         # above the release it goes on
    ("0999300", [(3, 6)]),         # 0.3 still is: the release is 0.25
    ("0999200", [(3, 5)]),
    ("099", []),                   # in the very last row there is no time
    ("0999", [(3, 4)]),            # until the end of the recording
])
def test_hold_and_hysteresis(text, expected):
    assert spans(text) == expected


@pytest.mark.parametrize("text, expected", [
    ("0999--00", [(3, 7)]),        # an unscorable row does not end an alarm
    ("09-9000", []),               # nor does it help to raise one
    ("--99900", [(4, 6)]),
    ("-------", []),
    ("0999---", [(3, 7)]),
])
def test_unscorable_rows_neither_raise_nor_end(text, expected):
    assert spans(text) == expected


@pytest.mark.parametrize("text, expected", [
    ("099900990000", [(3, 9)]),          # raised 3 rows after the end: merged
    ("0999000990000", [(3, 5)]),         # 4 are too many, and too few
    ("099900000990000", [(3, 5)]),       # for a new alarm
    ("0999000000990000", [(3, 5), (12, 13)]),
    ("0999099099000", [(3, 11)]),
])
def test_merging_and_refractory_time(text, expected):
    assert spans(text) == expected


def test_an_alarm_ends_in_any_case_and_does_not_come_back_at_once():
    assert spans("0" + "9" * 30) == [(3, 11), (18, 26)]


def test_confidence_is_the_highest_smoothed_probability():
    values = np.array([0, .6, .7, NAN, .9, .8, .1, 1, 1])
    (event,) = alarms(values, 1.0, replace(RULE, refractory_s=99, merge_s=0))
    assert event == Event(3, 4, "sz", .9)


def test_times_are_seconds_at_any_hop():
    assert spans("0055555000", hop_s=0.5, rule=replace(
        RULE, hold_s=1)) == [(2, 4)]


def test_the_mean_is_over_scorable_rows_and_looks_back_only():
    values = np.array([1, 0, NAN, 1, 1, 0])
    np.testing.assert_array_equal(
        smooth(values, 1.0, replace(RULE, smoothing_s=3)),
        [1, 1 / 2, NAN, 1 / 2, 1, 2 / 3])


def naive_smooth(values, width):
    """The mean in exact arithmetic, row by row."""
    means = []
    for row, value in enumerate(values):
        known = [Fraction(v) for v in values[max(row - width + 1, 0):row + 1]
                 if v == v]
        means.append(float(sum(known) / len(known)) if value == value
                     else NAN)
    return means


def naive_alarms(values, rule):
    """The state machine as one would tell it, with hops of a second."""
    found, held = [], 0
    start = None
    for row, value in enumerate(values):
        held = held + 1 if value >= rule.threshold else 0
        if start is not None and (
                value < rule.release * rule.threshold
                or row - start >= rule.max_length_s):
            found.append((start, row))
            start = None
        if start is None and held >= rule.hold_s:
            pause = row - found[-1][1] if found else np.inf
            if pause <= rule.merge_s:
                # The alarm before goes on, as far as it may.
                start, last = found.pop()
                if row - start >= rule.max_length_s:
                    found.append((start, start + rule.max_length_s))
                    start = None
            elif pause > rule.refractory_s:
                start = row
    if start is not None:
        found.append((start, len(values)))
    return [(first + 1.0, min(last + 1.0, float(len(values))))
            for first, last in found if first + 1 < len(values)]


ROWS = st.lists(st.sampled_from([0.0, .1, .2, .3, .5, .6, .9, 1.0, NAN]),
                max_size=60)
LONG_ROWS = st.lists(
    st.tuples(st.sampled_from([0.0, .2, .3, .6, 1.0, NAN]),
              st.integers(1, 12)), max_size=14).map(
    lambda runs: [value for value, count in runs for _ in range(count)])


@given(ROWS | LONG_ROWS, st.integers(1, 4), st.integers(0, 6),
       st.integers(0, 9), st.integers(1, 12))
def test_alarms_are_those_of_a_plain_state_machine(
        values, hold, merge, refractory, longest):
    rule = AlarmRule(
        threshold=0.5, release=0.5, hold_s=hold, merge_s=merge,
        refractory_s=merge + refractory, max_length_s=longest)
    found = alarms(np.array(values, dtype=float), 1.0, rule)
    assert [(e.onset_s, e.end_s) for e in found] == naive_alarms(values, rule)


@given(st.lists(st.floats(0, 1) | st.just(NAN), max_size=50),
       st.integers(1, 7))
def test_the_mean_is_exact_and_stays_in_its_range(values, width):
    mean = smooth(np.array(values, dtype=float), 1.0,
                  replace(RULE, smoothing_s=width))
    np.testing.assert_allclose(mean, naive_smooth(values, width), rtol=1e-12)
    assert np.all((mean >= 0) & (mean <= 1) | np.isnan(mean))


def test_what_was_long_ago_does_not_change_a_digit():
    recent = np.full(50, 1.0)
    rule = replace(RULE, smoothing_s=5)
    before = np.random.default_rng(1).random(5000)
    assert np.array_equal(
        smooth(np.concatenate([before, recent]), 1.0, rule)[-40:],
        smooth(recent, 1.0, rule)[-40:])


@given(ROWS, st.integers(1, 4))
def test_the_trailing_minimum_is_the_highest_threshold_that_raises(
        values, hold):
    rule = replace(RULE, hold_s=hold)
    lowest = trailing_min(np.array(values, dtype=float), 1.0, rule)
    expected = [NAN if row + 1 < hold else float(np.min(
        values[row + 1 - hold:row + 1])) for row in range(len(values))]
    np.testing.assert_array_equal(lowest, expected)
