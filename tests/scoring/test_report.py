"""Scores as values for JSON and as text."""

import math

import numpy as np
import pytest

from aura.scoring import report
from aura.scoring.score import EventScore, SampleScore, Score


@pytest.mark.parametrize("value, shown, in_hours", [
    (0.835, "0.83", "0.83"), (11.75, "11.75", "11.8"), (1, "1.00", "1.0"),
    (0, "0.00", "0.00"), (-0.5, "-0.50", "-0.50"),
    (None, "-", "-"), (math.nan, "-", "-"), (-math.inf, "-", "-"),
    (True, "-", "-"), ("3", "-", "-"), ([], "-", "-"), (10 ** 400, "-", "-")])
def test_only_numbers_are_shown_as_numbers(value, shown, in_hours):
    assert report.number(value) == shown
    assert report.hours(value) == in_hours


def test_numbers_have_digits_and_a_unit():
    assert report.number(33.4, 0, " s") == "33 s"
    assert report.number(None, 0, " s") == "-"


@pytest.mark.parametrize("given, interval, whole", [
    ({"value": 0.75, "low": 0.194, "high": 0.994}, "0.19 to 0.99",
     "0.75 (0.19 to 0.99)"),
    ({"value": 0.75, "low": 0.194, "high": None}, "-", "0.75 (-)"),
    ({"value": 0.75, "low": None, "high": 0.994}, "-", "0.75 (-)"),
    ({"value": None, "low": 0.0, "high": 1.0}, "-", "-"), ({}, "-", "-")])
def test_an_interval_needs_a_value_and_both_ends(given, interval, whole):
    assert report.interval(given) == interval
    assert report.with_interval(given) == whole


@pytest.mark.parametrize("digits", [None, 3])
def test_counts_have_both_intervals_and_no_nan(digits):
    score = Score(EventScore(3, 1, 4, 24 / 7, 2, (5.0,)), SampleScore())
    found = report.counts(score, digits)
    assert found == {
        "seizures": 4, "found": 3, "false_alarms": 1,
        "hours": 3.429 if digits else 24 / 7,
        "sensitivity": {
            "value": 0.75, "low": pytest.approx(0.194, abs=5e-4),
            "high": pytest.approx(0.994, abs=5e-4)},
        "false_alarms_per_24h": {
            "value": pytest.approx(7), "low": pytest.approx(0.177, abs=5e-4),
            "high": pytest.approx(39.002, abs=5e-3)}}
    assert (found["sensitivity"]["low"] == 0.194) == (digits == 3)
    empty = report.counts(Score(), digits)
    assert empty["sensitivity"] == {"value": None, "low": 0.0, "high": 1.0}
    assert empty["false_alarms_per_24h"] == {
        "value": None, "low": 0.0, "high": None}


@pytest.mark.parametrize("rate, shown", [
    (2.0373, "2.04"), (0.1, "0.10"), (0.0333, "0.033"), (None, None)])
def test_the_smallest_rate_has_two_figures(rate, shown):
    text = report.smallest_rate(rate, " among these")
    assert (shown is None) != (f" among these makes {shown} " in text)


def test_rows_make_a_markdown_table():
    assert report.markdown_table([("a", "b"), ("1", "2")]) == [
        "| a | b |", "|---|---|", "| 1 | 2 |"]


def test_values_over_patients_leave_out_the_undefined():
    assert report.over_patients([1.0, math.nan, 0.5, 0.0]) == {
        "mean": 0.5, "std": pytest.approx(np.std([1, .5, 0])), "median": 0.5,
        "low": 0.0, "high": 1.0, "patients": 3}
    assert report.over_patients([math.nan]) == {
        "mean": None, "std": None, "median": None, "low": None, "high": None,
        "patients": 0}


@pytest.mark.parametrize("template, value, shown", [
    ("{x:.2f}", .835, "0.83"), ("{x:.0f}", None, "-"), ("{x:.1f}", "3", "-"),
    ("{x:hours} h", 11.75, "11.8 h"), ("{x:percent}", .00632, "0.63 %"),
    ("{x:percent}", None, "-"), ("{x:percent}", 0.0, "0.00 %"),
    ("{x:seconds}", 33.4, "33 s"), ("{x:seconds}", None, "-"),
    ("{x:recording}", 1, "1 recording"), ("{x:false alarm}", 0,
                                          "0 false alarms"),
    ("{x:interval}", {"value": 1.0, "low": .5, "high": 2}, "0.50 to 2.00"),
    ("{x:with_interval}", {"value": 1.0, "interval": [.5, 2]},
     "1.00 (0.50 to 2.00)"),
    ("{x:median}", {"median": 1.0, "low": .5, "high": 2},
     "1.00 (0.50 to 2.00)"),
    ("{x:median}", {"median": None, "low": None, "high": None}, "-"),
    ("{x[a]:.2f} of {x[b]}", {"a": math.inf, "b": "{c}"}, "- of {c}"),
    ("{x:,} rows", 1234, "1,234 rows"), ("{x:g} s", 60.0, "60 s")])
def test_templates_show_any_value(template, value, shown):
    assert report.fill(template, x=value) == shown
