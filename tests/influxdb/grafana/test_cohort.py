"""Figures of a cohort from a real InfluxDB, against the scores' own."""

import numpy as np
import pytest

from aura.scoring.matching import agree
from tests.dashboards import REVIEW
from tests.stored_run import (
    MANY, MIXED, SECONDS, STRANGE, Answers, cohort, review)

pytestmark = pytest.mark.influxdb


def test_each_recording_is_listed_with_its_own_time(store, run):
    rows = {row["recording"]: row
            for row in cohort(store, run).panel("Recordings")}
    # Recordings that the model never saw are not listed.
    assert set(rows) == {held.alias for held in run.recordings.values()}
    for held in run.recordings.values():
        row = rows[held.alias]
        assert (row["from"], row["to"]) == (
            str(held.start_ns // 10 ** 6), str(held.end_ns // 10 ** 6))
        assert row["_time"] == held.start_ns
        assert row["seizures"] == len(held.recording.events)
        _, answers = review(store, run, held.entry.path.split("/")[0])
        own, = answers.panel("Recordings")
        assert own == row
        assert (row["tp"], row["fp"]) == (
            held.score.events.tp, held.score.events.fp)
    row, = cohort(store, run, model=STRANGE.model_id).panel("Recordings")
    assert row["from"] == str(STRANGE.start_ns // 10 ** 6)
    assert not row.keys() & {"seizures", "tp", "fn", "fp"}
    assert cohort(store, run, model="nobody000000").panel("Recordings") == []


def test_a_patient_s_recordings_are_listed_for_any_model(store, run):
    held, _ = review(store, run)
    row, = Answers(store, REVIEW, {**held.values, "model": "x" * 12}).panel(
        "Recordings")
    assert row["recording"] == held.alias and "alarms" not in row


def test_figures_of_a_cohort_are_those_of_the_scores(store, run):
    scores = [held.score for held in run.recordings.values()]
    hours = SECONDS * len(scores) / 3600
    scorable = sum(held.entry.signals.scorable_s
                   for held in run.recordings.values()) / 3600
    pooled, = cohort(store, run).panel("Found")
    expected = {
        "recordings": 3, "hours": hours, "annotated_hours": hours,
        "scorable_hours": scorable,
        "tp": sum(one.events.tp for one in scores),
        "fp": sum(one.events.fp for one in scores),
        "seizures": sum(one.events.ref_true for one in scores),
        "alarms": sum(len(held.entry.predicted)
                      for held in run.recordings.values()),
        "unscorable": 1 - scorable / hours}
    assert expected["seizures"] == 2
    assert {name: pooled[name] for name in expected} == pytest.approx(
        expected)
    assert pooled["sensitivity"] == pytest.approx(
        expected["tp"] / expected["seizures"])
    assert pooled["false_alarms_per_24h"] == pytest.approx(
        expected["fp"] * 24 / hours)


def test_patients_stand_each_in_a_row(store, run):
    answers = cohort(store, run)
    rows = {row["patient"]: row for row in answers.panel("Patients")}
    late = {row["patient"]: row["latency_s"]
            for row in answers.panel("Patients", "B")}
    assert len(rows) == 3
    for held in run.recordings.values():
        row, events = rows[held.recording.patient], held.score.events
        assert (row["tp"], row["fn"], row["fp"]) == (
            events.tp, events.ref_true - events.tp, events.fp)
        # Nobody is 0 % sensitive for having no seizure.
        assert np.isnan(row["sensitivity"]) == (events.ref_true == 0)
        assert late.get(held.recording.patient, np.nan) == pytest.approx(
            events.median_latency_s, nan_ok=True)
    one = run.recordings["old"].recording.patient
    assert [row["patient"] for row in cohort(
        store, run, [one]).panel("Patients")] == [one]
    two = [one, run.recordings["late"].recording.patient]
    assert {row["patient"] for row in cohort(
        store, run, two).panel("Patients")} == set(two)


def test_what_nobody_annotated_has_alarms_and_no_rates(store, run):
    answers = cohort(store, run, model=STRANGE.model_id)
    row, = answers.panel("Patients")
    assert (row["patient"], row["alarms"]) == (STRANGE.patient, MANY)
    assert row["annotated_hours"] == row["tp"] == row["fp"] == 0
    assert np.isnan(row["sensitivity"])
    assert np.isnan(row["false_alarms_per_24h"])
    assert row["unscorable"] == 1
    assert answers.panel("Median latency") == []


def test_models_are_compared_over_what_each_was_run_on(store, run):
    rows = {row["model"]: row
            for row in cohort(store, run).panel("Models")}
    assert {name: row["recordings"] for name, row in rows.items()} == {
        run.model: 3, STRANGE.model_id: 1, MIXED[0].model_id: 2}
    late = {row["model"]: row["latency_s"]
            for row in cohort(store, run).panel("Models", "B")}
    latencies = [one.latency_s for held in run.recordings.values()
                 for one in agree(held.recording.events, held.entry.predicted,
                                  SECONDS).judged if one.outcome == "TP"]
    assert late == {run.model: pytest.approx(np.median(latencies)),
                    MIXED[0].model_id: 30}


@pytest.mark.parametrize("title", ["Patients", "Found", "Models"])
def test_rates_are_of_what_was_annotated(store, run, title):
    patient = [MIXED[0].patient]
    row, = cohort(store, run, patient, MIXED[0].model_id).panel(title)
    assert {name: value for name, value in row.items()
            if name not in ("patient", "model")} == pytest.approx({
                "recordings": 2, "hours": 3.0, "scorable_hours": 1.5,
                "annotated_hours": 2.0, "alarms": 10, "seizures": 4,
                "tp": 3, "fn": 1, "fp": 2, "sensitivity": .75,
                "false_alarms_per_24h": 24.0, "unscorable": 0.5})
