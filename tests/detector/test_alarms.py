"""Alarms follow every clause of the rule; two oracles say which they are."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, strategies as st

from aura.detector.alarms import (
    AdaptiveThreshold,
    AlarmRule,
    alarms,
    row_thresholds,
    rule_of,
    smooth,
    trailing_min,
)
from aura.recording import Event

NAN = float("nan")
# All times are in rows of one second, without smoothing.
RULE = AlarmRule(threshold=0.5, release=0.5, smoothing_s=1, hold_s=2,
                 merge_s=3, refractory_s=6, max_length_s=8)
ADAPTIVE = AlarmRule(.5, hold_s=3, smoothing_s=1, adapt_after_h=1.0,
                     own_per_24h=6.0)


def spans(text, rule=RULE, hop_s=1.0):
    """Alarms for digits in tenths of 1; '-' is an unscorable row."""
    values = np.array([NAN if c == "-" else int(c) / 10 for c in text])
    return [(event.onset_s, event.end_s)
            for event in alarms(values, hop_s, rule)]


@pytest.mark.parametrize("text, expected", [
    ("", []),
    ("0000", []),
    ("05550000", [(3, 5)]),        # raised by the second row at 0.5
    ("00050000", []),              # one row is too short
    ("05050505", []),              # rows apart do not add up
    ("0999400", [(3, 6)]),         # goes on above the release
    ("0999300", [(3, 6)]),         # 0.3 is above it: the release is 0.25
    ("0999200", [(3, 5)]),
    ("099", []),                   # the very last row raises none
    ("0999", [(3, 4)]),            # lasts until the end of the recording
])
def test_hold_and_hysteresis(text, expected):
    assert spans(text) == expected


@pytest.mark.parametrize("text, expected", [
    ("0999--00", [(3, 7)]),        # an unscorable row does not end an alarm
    ("09-9000", []),               # and does not help to raise one
    ("--99900", [(4, 6)]),
    ("-------", []),
    ("0999---", [(3, 7)]),
])
def test_unscorable_rows_neither_raise_nor_end(text, expected):
    assert spans(text) == expected


@pytest.mark.parametrize("text, expected", [
    ("099900990000", [(3, 9)]),          # 3 rows after the end: merged
    ("0999000990000", [(3, 5)]),         # 4 rows: too late to be merged,
    ("099900000990000", [(3, 5)]),       # too early for a new alarm
    ("0999000000990000", [(3, 5), (12, 13)]),
    ("0999099099000", [(3, 11)]),
])
def test_merging_and_refractory_time(text, expected):
    assert spans(text) == expected


def test_an_alarm_ends_in_any_case_and_does_not_come_back_at_once():
    assert spans("0" + "9" * 30) == [(3, 11), (18, 26)]


def test_the_numbers_of_the_default_rule():
    rule = AlarmRule(.5)
    assert smooth(np.eye(1, 10, 4)[0], 1.0, rule) == pytest.approx(
        [0, 0, 0, 0, .2, .2, .2, .2, .2, 0])
    assert smooth(np.eye(1, 12, 1)[0], 0.5, rule) == pytest.approx(
        [0, .5, 1 / 3, .25, .2, 1 / 6, 1 / 7, 1 / 8, 1 / 9, .1, .1, 0])

    def found(*runs):
        """Alarms of up to 5 s at 0.5, followed by 0.3 and then by 0.2."""
        smoothed = np.full(1500, .2)
        for start, length in runs:
            smoothed[start:start + length] = .3
            smoothed[start:start + min(length, 5)] = .5
        return [(event.onset_s, event.end_s)
                for event in alarms(smoothed, 1.0, rule)]

    assert found((100, 4)) == [] and found((100, 6)) == [(105, 107)]
    assert found((100, 400)) == [(105, 405)]
    # The second run is held 30, 31, 300 and 301 s after the first alarm.
    assert found((100, 6), (132, 6)) == [(105, 139)]
    for pause in (33, 302):
        assert found((100, 6), (100 + pause, 6)) == [(105, 107)]
    assert found((100, 6), (403, 6)) == [(105, 107), (408, 410)]


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
    """A plain state machine, with hops of a second."""
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
                # The previous alarm goes on up to its greatest length.
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


def test_old_rows_do_not_change_the_mean_by_a_bit():
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


def naive_thresholds(smoothed, rule, hop_s):
    """Row by row, from the definition in words."""
    width = round(300 / hop_s)
    hold = round(rule.hold_s / hop_s)
    found = []
    for row in range(len(smoothed)):
        past = smoothed[:row // width * width]
        blocks = range(max(0, len(past) - 288 * width), len(past), width)
        highest = []
        for at in blocks:
            reached = [past[last + 1 - hold:last + 1].min()
                       for last in range(at, at + width) if last + 1 >= hold]
            reached = [one for one in reached if one == one]
            highest.append(max(reached, default=-np.inf))
        known = np.isfinite(past[blocks[0]:]).sum() if len(blocks) else 0
        hours = known * hop_s / 3600
        place = int(rule.own_per_24h * hours / 24)
        own = (sorted(highest, reverse=True)[place]
               if hours >= rule.adapt_after_h else -np.inf)
        found.append(max(own, rule.threshold))
    return found


@pytest.mark.parametrize("per_24h, after_h", [(6, .5), (0, 1.0), (40, .25)])
def test_adaptive_thresholds_follow_their_definition(per_24h, after_h):
    rng = np.random.default_rng(3)
    smoothed = rng.beta(1, 4, 1500)
    smoothed[rng.integers(0, 1500, 100)] = np.nan
    rule = replace(ADAPTIVE, own_per_24h=per_24h, adapt_after_h=after_h)
    found = row_thresholds(smoothed, 5.0, rule)
    assert found == pytest.approx(naive_thresholds(smoothed, rule, 5.0))
    assert len(np.unique(found)) > 1


def test_later_rows_do_not_change_a_threshold():
    smoothed = np.random.default_rng(1).random(9000)
    later = smoothed.copy()
    later[5000:] = 1 - later[5000:]
    one, two = (row_thresholds(each, 1.0, ADAPTIVE)
                for each in (smoothed, later))
    assert np.array_equal(one[:5001], two[:5001])
    assert not np.array_equal(one, two)


def test_adaptation_only_removes_alarms_and_only_after_the_warm_up():
    smoothed = np.full(8 * 3600, .1)
    for at in range(600, len(smoothed), 1200):
        smoothed[at:at + 30] = .7
    smoothed[25_000:25_030] = .9
    fixed = alarms(smoothed, 1.0, replace(ADAPTIVE, adapt_after_h=0.0))
    # A score equal to the threshold still raises an alarm.
    assert alarms(smoothed, 1.0, ADAPTIVE) == fixed
    less = smoothed - .01 * (np.arange(len(smoothed)) / 3600 > 2)
    onsets_s = [event.onset_s for event in alarms(less, 1.0, ADAPTIVE)]
    assert onsets_s[:3] == [event.onset_s for event in fixed][:3]
    assert [each for each in onsets_s if each > 7200] == [25_003]


def test_unscorable_time_does_not_count_as_warm_up():
    smoothed = np.full(3 * 3600, .6)
    smoothed[::2] = np.nan
    found = row_thresholds(smoothed, 1.0, replace(ADAPTIVE, hold_s=1))
    assert (found[:7200] == .5).all() and (found[7200:] == .6).all()


def test_scores_are_kept_for_a_day():
    adaptive = AdaptiveThreshold(AlarmRule(
        .1, adapt_after_h=1.0, own_per_24h=0.0), 300.0)
    found = [adaptive.feed(np.array([value]), 1)
             for value in [.9, *[.3] * 600]]
    assert found[12] == found[288] == .9 and found[289] == .3
    assert len(adaptive._blocks) == 288


def test_six_blocks_of_a_day_may_exceed_the_default_threshold():
    adaptive = AdaptiveThreshold(AlarmRule(.1, adapt_after_h=1.0), 300.0)
    scores = np.random.default_rng(1).permutation(288) / 288
    for value in scores:
        adaptive.feed(np.array([value]), 1)
    assert np.sum(scores > adaptive.feed(np.array([0.]), 1)) == 6


def test_adaptation_is_off_unless_the_card_or_the_setting_turns_it_on():
    for on_card in (0, 1):
        card = {"threshold": .4, "adapt_after_h": on_card}
        assert rule_of(card) == AlarmRule(.4, adapt_after_h=on_card)
        assert rule_of(card, 2.0).adapt_after_h == 2
    assert rule_of({"threshold": .4}) == AlarmRule(.4)
