"""Variants of the forest: more features."""

from dataclasses import replace

import numpy as np
import pytest

from aura.detector.validation import fit_forest
from aura.ecg import features
from aura.ecg.rr import Kind
from benchmarks import candidates
from benchmarks.candidates import frozen_baseline, rhythm
from tests.evaluation_cases import people


def intervals(count=400, early=()):
    rr_s = np.full(count, .8)
    kind = np.zeros(count, np.int8)
    kind[list(early)] = Kind.ECTOPIC
    return np.cumsum(rr_s), rr_s, kind


def test_rates_of_the_last_minute_are_counted():
    time_s, rr_s, kind = intervals(early=range(100, 400, 5))
    kind[200:250] = Kind.UNSCORABLE
    ectopic, rejected, _ = rhythm(
        time_s, rr_s, kind, np.array([60.0, 160.0, 200.0, 320.0, 10.0]))
    # 160 to 200 s cannot be scored; before 80 s nothing is ectopic.
    assert ectopic == pytest.approx([0, .2, .2, .2, 0], abs=.01)
    assert rejected == pytest.approx([0, 0, 2 / 3, 0, 0], abs=.05)


def test_fibrillation_is_irregular_and_a_ramp_is_not():
    rng = np.random.default_rng(1)
    wild = rng.uniform(.5, 1.1, 300)
    ramp = np.linspace(1.0, .5, 300)
    told = [rhythm(np.cumsum(one), one, np.zeros(300, np.int8),
                   np.cumsum(one)[[30, 250]])[2] for one in (wild, ramp)]
    assert np.isnan([one[0] for one in told]).all()
    assert told[0][1] > .15 and told[1][1] < .005


def test_a_baseline_is_held_from_the_rise_until_three_minutes_after_it():
    bpm = np.full(1500, 70.0)
    bpm[200:260] = 110.0
    base = 70.0 + .01 * np.arange(1500)
    held = frozen_baseline(bpm, base, 1.0)
    assert (held[200:440] == base[200]).all()
    assert (held[:200] == base[:200]).all()
    assert (held[440:] == base[440:]).all()
    bpm[200:] = 150.0
    # No alarm is longer than five minutes.
    held = frozen_baseline(bpm, base, 1.0)
    assert (held[200:680] == base[200]).all() and held[680] == base[680]


def test_candidate_columns_look_back_only():
    rng = np.random.default_rng(4)
    rr_s = rng.uniform(.6, .9, 900)
    kind = (rng.random(900) < .1).astype(np.int8)
    rows = 600
    table = {"time_s": np.arange(1.0, rows + 1),
             **{name: rng.random(rows) for name in features.NAMES},
             "scorable": rng.random(rows) > .1,
             "mean_hr": rng.uniform(60, 130, rows),
             "hr_base": np.full(rows, 70.0)}

    def told(known):
        some = np.cumsum(rr_s) <= known
        return candidates.columns(
            {"time_s": np.cumsum(rr_s)[some], "rr_s": rr_s[some],
             "kind": kind[some]},
            {name: one[:known] for name, one in table.items()}, 1.0)

    assert np.array_equal(told(300), told(600)[:300], equal_nan=True)
    assert told(600).shape == (600, len(candidates.NAMES))


def test_each_candidate_scores_rows_by_what_it_sees_besides():
    cases = []
    for one in people(2):
        seizure = np.zeros(len(one.time_s), np.float32)
        for event in one.seizures:
            seizure[(one.time_s > event.onset_s)
                    & (one.time_s <= event.end_s)] = 1
        cases.append(replace(one, more=np.column_stack(
            [seizure] * len(candidates.NAMES))))
    blind = fit_forest(cases, 1)(cases[0])
    tried = list(candidates.detectors())
    assert [one.key for one in tried] == [
        "forest_rhythm", "forest_ascent", "forest_frozen"]
    for one in tried:
        found = one.fit(cases, 1)(cases[0])
        assert (np.isfinite(found) == np.isfinite(blind)).all()
        assert not np.array_equal(found, blind, equal_nan=True), one.key
