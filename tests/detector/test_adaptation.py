"""A threshold that follows a recording's own past, and never its future."""

from dataclasses import replace

import numpy as np
import pytest

from aura.detector.adaptation import BLOCK_S, OwnPast
from aura.detector.alarms import (
    AlarmRule,
    alarms,
    levels_of,
    rule_of,
    trailing_min,
)

RULE = AlarmRule(.5, hold_s=3, smoothing_s=1, adapt_after_h=1.0,
                 own_per_24h=6.0)


def levels(smoothed, rule=RULE, hop_s=1.0):
    return levels_of(
        smoothed, trailing_min(smoothed, hop_s, rule), hop_s, rule)


def by_hand(smoothed, rule, hop_s):
    """Row by row, from the definition in words."""
    width = round(BLOCK_S / hop_s)
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
def test_levels_are_what_the_definition_says(per_24h, after_h):
    rng = np.random.default_rng(3)
    smoothed = rng.beta(1, 4, 1500)
    smoothed[rng.integers(0, 1500, 100)] = np.nan
    rule = replace(RULE, own_per_24h=per_24h, adapt_after_h=after_h)
    found = levels(smoothed, rule, 5.0)
    assert found == pytest.approx(by_hand(smoothed, rule, 5.0))
    assert len(np.unique(found)) > 1


def test_nothing_that_comes_later_moves_a_level():
    rng = np.random.default_rng(1)
    smoothed = rng.random(9000)
    later = smoothed.copy()
    later[5000:] = 1 - later[5000:]
    assert np.array_equal(levels(smoothed)[:5001], levels(later)[:5001])
    assert not np.array_equal(levels(smoothed), levels(later))


def test_an_alarm_is_only_ever_rarer_and_never_before_the_warm_up():
    smoothed = np.full(8 * 3600, .1)
    for at in range(600, len(smoothed), 1200):
        smoothed[at:at + 30] = .7
    smoothed[25_000:25_030] = .9
    always = alarms(smoothed, 1.0, replace(RULE, adapt_after_h=0.0))
    found = alarms(smoothed, 1.0, RULE)
    assert {event.onset_s for event in found} <= {
        event.onset_s for event in always}
    # What is no more than usual is still one: at the level, not above it.
    assert len(found) == len(always)
    less = smoothed - .01 * (np.arange(len(smoothed)) / 3600 > 2)
    found = alarms(less, 1.0, RULE)
    assert [event.onset_s for event in found if event.onset_s > 7200] == [
        25_000 + RULE.hold_s]
    assert [event.onset_s for event in found][:3] == [
        event.onset_s for event in always][:3]


def test_time_that_cannot_be_scored_does_not_warm_up():
    smoothed = np.full(3 * 3600, .6)
    smoothed[::2] = np.nan
    found = levels(smoothed, replace(RULE, hold_s=1))
    assert (found[:7200] == .5).all() and (found[7200:] == .6).all()


def test_the_past_is_bounded_and_forgotten_after_a_day():
    past = OwnPast(1.0, 0.0, 300.0)
    told = [past.feed(np.array([value]), 1)
            for value in [.9, *[.3] * 600]]
    assert told[12] == told[288] == .9 and told[289] == .3
    assert len(past._blocks) == len(past._sorted) == 288


def test_the_rule_of_a_card_is_off_unless_it_or_the_setting_says_so():
    assert rule_of({"threshold": .4}) == AlarmRule(.4)
    assert not rule_of({"threshold": .4}).adapt_after_h
    assert rule_of({"threshold": .4}, 2.0).adapt_after_h == 2
    card = {"threshold": .4, "adapt_after_h": 1}
    assert rule_of(card).adapt_after_h == 1
    assert rule_of(card, 2.0).adapt_after_h == 2
