"""Every question of the review, put to a real InfluxDB."""

import numpy as np
import pytest

from aura.scoring.matching import agree
from grafana.flux import NOTHING
from tests.dashboards import COHORT, REVIEW, questions
from tests.stored_run import (
    ALARMS,
    ANNOTATED,
    DATES,
    HOSTILE,
    MANY,
    MIXED,
    SECONDS,
    STRANGE,
    Answers,
    cohort,
    review,
    samples,
    series,
)

pytestmark = pytest.mark.influxdb


def test_every_question_is_answered_where_there_is_something(store, run):
    _, answers = review(store, run)
    silent = {name for name in questions(REVIEW)
              if not answers.named(name)}
    # Nothing of it is unscorable; raw samples are for a minute or less.
    assert silent == {"panel Found, missed, false C", "panel ECG B"}
    answers = cohort(store, run)
    assert [name for name in questions(COHORT)
            if not answers.named(name)] == []


@pytest.mark.parametrize("page", [REVIEW, COHORT], ids=["review", "cohort"])
@pytest.mark.parametrize("value", ["", 'nobody" or true or "', "p-[.*"])
def test_a_choice_that_is_not_there_gives_nothing_and_no_error(
        store, page, value):
    answers = Answers(store, page, {
        "patient": value, "recording": value, "model": value})
    given = {name: answers.named(name) for name in questions(page)}
    free = {"variable patient", "variable model"}
    assert {name for name, rows in given.items() if rows} <= free


def test_choices_are_chained_and_come_from_the_index_alone(store, run):
    held, answers = review(store, run)
    assert {row["_value"] for row in answers.named("variable patient")} == {
        one.recording.patient for one in run.recordings.values()} | {
            STRANGE.patient, MIXED[0].patient}
    assert [row["_value"] for row in answers.named("variable recording")] == [
        held.alias]
    assert [row["_value"] for row in answers.named("variable model")] == [
        run.model]
    assert {row["_value"] for row in cohort(store, run).named(
        "variable model")} == {
            run.model, STRANGE.model_id, MIXED[0].model_id}
    for page in (REVIEW, COHORT):
        asked = Answers(store, page, {**held.values, "model": run.model})
        for one in page["templating"]["list"]:
            assert asked.named(
                f"variable {one['name']}", before=PROFILE)[-1][
                    "Type"] == "*influxdb.readTagValuesSource"


PROFILE = """import "profiler"
option profiler.enabledProfilers = ["operator"]
"""


@pytest.mark.parametrize("title", [
    "Heart rate", "Model score", "Quality"])
def test_the_store_thins_out_curves_before_it_sends_them(store, run, title):
    _, answers = review(store, run, window="30s")
    work = [row["Type"] for row in answers.named(
        f"panel {title} A", before=PROFILE) if "Type" in row]
    assert work == ["*influxdb.readWindowAggregateSource",
                    "*universe.schemaMutationTransformation"]


@pytest.mark.parametrize("last_s, step_s", [(600, .1), (901, 1), (10_801, 10)])
def test_the_ecg_is_drawn_from_the_level_that_fits(
        store, run, last_s, step_s):
    held, answers = review(store, run, last_s=last_s)
    fs_hz, ecg = samples(run, held)
    factor = round(step_s * fs_hz)
    begins = np.arange(0, len(ecg), factor)
    rows = answers.panel("ECG")
    for field, extreme in (("min", np.minimum), ("max", np.maximum)):
        times, values = series(rows, field)
        assert times.tolist() == [
            held.on_clock(begin / fs_hz) for begin in begins]
        np.testing.assert_allclose(
            values, extreme.reduceat(ecg, begins), rtol=1e-12)


def test_up_to_a_minute_every_sample_is_drawn(store, run):
    held, answers = review(store, run, first_s=30.0, last_s=90.0)
    fs_hz, ecg = samples(run, held)
    times, values = series(answers.panel("ECG", "B"), "value")
    first = round(30 * fs_hz)
    assert len(values) == round(60 * fs_hz)
    assert times[0] == held.on_clock(30) and (np.diff(times) > 0).all()
    np.testing.assert_allclose(
        values, ecg[first:first + len(values)], rtol=1e-12)
    assert answers.panel("ECG")
    _, longer = review(store, run, first_s=30.0, last_s=90.001)
    assert longer.panel("ECG", "B") == []


@pytest.mark.parametrize("name", DATES)
def test_curves_are_what_the_stages_found(store, run, name):
    held, answers = review(store, run, name, last_s=SECONDS + 1)
    rows = held.rows["features"]
    clock = np.array([held.on_clock(time) for time in rows["time_s"]])
    for title, field, expected in (
            ("Heart rate", "bpm", rows["mean_hr"]),
            ("Heart rate", "baseline_bpm", rows["hr_base"]),
            ("Heart rate", "p95_bpm", rows["mean_hr"] - rows["hr_over_p95"]),
            ("Quality", "scorable", rows["scorable"].astype(float)),
            ("Model score", "probability",
             held.rows["predictions"]["smoothed"])):
        times, values = series(answers.panel(title), field)
        found = dict(zip(times.tolist(), values.tolist(), strict=True))
        np.testing.assert_allclose(
            [found.get(time, np.nan) for time in clock.tolist()], expected,
            rtol=1e-6, err_msg=field)
        assert np.isfinite(values).sum() == np.isfinite(expected).sum()
    _, limits = series(answers.panel("Model score"), "threshold")
    assert set(limits[np.isfinite(limits)]) == {run.threshold}


def test_a_thinned_probability_keeps_its_peaks(store, run):
    held, answers = review(store, run, window="1m0s")
    times, values = series(
        answers.panel("Model score"), "probability")
    rows = held.rows["predictions"]
    minute = (held.start_ns // 10 ** 9 + rows["time_s"]) // 60
    assert values.size > 5
    for start, value in zip(times, values, strict=True):
        inside = rows["smoothed"][(minute == start // (60 * 10 ** 9))
                                  & (rows["time_s"] < SECONDS)]
        inside = inside[np.isfinite(inside)]
        assert value == pytest.approx(inside.max()) if len(inside) else (
            np.isnan(value))


@pytest.mark.parametrize("name", DATES)
def test_regions_are_the_events_of_their_layer(store, run, name):
    held, answers = review(store, run, name)
    for layer, events in (
            ("Original annotations", held.recording.events),
            ("Alarms", held.entry.predicted)):
        rows = answers.named(f"annotation {layer}")
        assert [(row["time"], row["timeEnd"]) for row in rows] == [
            (held.on_clock(one.onset_s), held.on_clock(one.end_s))
            for one in events]
        for number, (row, one) in enumerate(
                zip(rows, events, strict=True), 1):
            assert f" {number}, {one.label}, " in row["text"]
            assert row.get("tags") in (
                ("TP", "FP") if layer == "Alarms" else (None,))


def test_a_region_that_began_before_is_still_shown(store, run):
    held = run.recordings["old"]
    event, = held.recording.events
    for first_s, last_s, seen in (
            (event.onset_s + 1, event.onset_s + 2, 1),
            (event.end_s + 1, event.end_s + 2, 0),
            (event.onset_s - 2, event.onset_s - 1, 0)):
        _, answers = review(store, run, first_s=first_s, last_s=last_s)
        assert len(answers.named("annotation Original annotations")) == seen


def test_more_regions_than_grafana_takes_are_cut_and_all_are_listed(store):
    chosen = {"patient": STRANGE.patient, "recording": STRANGE.recording,
              "model": STRANGE.model_id}
    answers = Answers(store, REVIEW, chosen, STRANGE.start_ns,
                      STRANGE.start_ns + 4 * MANY * 10 ** 9)
    rows = answers.named("annotation Alarms")
    assert len(rows) == 1000
    assert rows[0]["text"] == f"alarm 1, {HOSTILE}, 2 s"
    listed = answers.panel("Events")
    assert len(listed) == MANY
    assert {row["label"] for row in listed} == {HOSTILE}
    assert answers.panel("Agreement") == []
    first, end = answers.panel(LANES, "C")
    assert (first["_time"], first["_value"], end["_time"]) == (
        STRANGE.start_ns, "unscorable",
        STRANGE.start_ns + 4 * MANY * 10 ** 9)


def test_every_outcome_is_listed_with_its_latency(store):
    series = MIXED[0]
    answers = Answers(store, REVIEW, {
        "patient": series.patient, "recording": series.recording,
        "model": series.model_id}, series.start_ns, series.start_ns + 10 ** 13)
    assert [(row["time"] - series.start_ns) // 10 ** 9 for row in
            answers.named("annotation Alarms")] == [
        start for start, _ in ALARMS]
    assert [((row["_time"] - series.start_ns) // 10 ** 9, row["outcome"],
             row.get("latency_s"), row.get("matches"))
            for row in answers.panel("Agreement")] == [
        (1000, "TP", 20.0, "1"), (2000, "FP", None, None),
        (2200, "FP", None, None), (3000, "FN", None, None),
        (5000, "TP", 70.0, "4"), (6000, "TP", 30.0, "5")]
    assert [row["layer"] for row in answers.panel("Events")] == [
        "original", "predicted", "predicted", "predicted", "original",
        "original", "predicted", "original", "predicted"]


LANES = "Found, missed, false"


def lane(answers, ref):
    """States of a lane as [state, start, end], in seconds."""
    rows = answers.panel(LANES, ref)
    found = []
    for row in rows:
        second = (row["_time"] - MIXED[0].start_ns) / 10 ** 9
        if found and found[-1][2] is None:
            found[-1][2] = second
        if row["_value"] != NOTHING:
            found.append([row["_value"], second, None])
    assert not found or found[-1][2] is not None
    return found


def mixed(store, model=MIXED[0].model_id, number=0, hours=0.1):
    one = MIXED[number]
    return Answers(store, REVIEW, {
        "patient": one.patient, "recording": one.recording, "model": model},
        one.start_ns, one.start_ns + round(hours * 3600 * 10 ** 9))


def test_lanes_show_what_was_found_missed_and_false(store):
    answers = mixed(store, hours=2)
    least = 7200 / 400
    assert lane(answers, "A") == [
        ["found" if start != 3000 else "missed", start, end]
        for start, end in ANNOTATED]
    assert lane(answers, "B") == [
        ["false alarm" if start in (2000, 2200) else "true alarm", start,
         max(end, start + least)] for start, end in ALARMS]
    assert lane(answers, "C") == []


def test_lanes_show_an_event_of_seconds_in_a_range_of_a_month(store):
    answers = mixed(store, hours=24 * 30)
    assert [one[0] for one in lane(answers, "A")][-1] == "found"
    assert all(end - start >= 24 * 30 * 9 for _, start, end in [
        (one[0], lane(answers, ref)[0][1], lane(answers, ref)[-1][2])
        for ref in "AB" for one in lane(answers, ref)])


def test_a_seizure_that_the_model_never_saw_is_neither_found_nor_missed(
        store):
    answers = mixed(store, model="nobody000000", hours=2)
    assert lane(answers, "A") == [
        ["annotated", start, end] for start, end in ANNOTATED]
    assert lane(answers, "B") == []


def test_without_annotation_nothing_is_missed_and_no_alarm_is_false(store):
    state, = lane(mixed(store, number=1, hours=1), "A")
    assert state[0] == "not annotated" and state[2] - state[1] == 3600
    chosen = {"patient": STRANGE.patient, "recording": STRANGE.recording,
              "model": STRANGE.model_id}
    answers = Answers(store, REVIEW, chosen, STRANGE.start_ns,
                      STRANGE.start_ns + 4 * MANY * 10 ** 9)
    assert {row["_value"] for row in answers.panel(LANES, "B")
            if row["_value"] != NOTHING} == {"alarm"}
    row, = answers.panel("Missed")
    assert row["alarms"] == MANY and not row.keys() & {"tp", "fn", "fp"}


def test_figures_of_a_recording_are_its_score(store):
    row, = mixed(store).panel("Found")
    assert (row["tp"], row["fn"], row["fp"], row["latency_s"]) == (3, 1, 2, 30)


@pytest.mark.parametrize("name", DATES)
def test_the_tables_lead_to_each_event_with_a_minute_around(
        store, run, name):
    held, answers = review(store, run, name)
    judged = agree(held.recording.events, held.entry.predicted,
                   SECONDS).judged
    rows = answers.panel("Agreement")
    assert [(row["_time"], row["outcome"], row["duration_s"],
             row.get("latency_s")) for row in rows] == [
        (held.on_clock(one.onset_s), one.outcome, one.end_s - one.onset_s,
         None if np.isnan(one.latency_s) else one.latency_s)
        for one in judged]
    for title, onsets in (
            ("Agreement", judged),
            ("Events", sorted((*held.recording.events, *held.entry.predicted),
                              key=lambda one: one.onset_s))):
        assert [(row["from"], row["to"]) for row in answers.panel(title)] == [
            (str(held.on_clock(one.onset_s) // 10 ** 6 - 60_000),
             str(held.on_clock(one.end_s) // 10 ** 6 + 60_000))
            for one in onsets]
