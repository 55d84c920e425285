"""Decisions are kept, whichever other process writes or dies."""

import json
import multiprocessing
from datetime import UTC, datetime

import msgspec
import pytest

from aura.errors import CorruptDataError, InvalidInputError, PreconditionError
from aura.folder import Folder
from aura.recording import Event, Recording
from aura.review.audit_trail import AuditTrail, Change, ConflictError, Item
from aura.review.exports import exported, reviewed
from aura.review.scored_events import ScoredEvent

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
START = datetime(2001, 2, 3, 4, 5, 6)
EVENTS = (
    ScoredEvent(
        "o100000-50000", "original", Event(100.0, 50.0, "sz", 1.0), "TP"),
    ScoredEvent(
        "p120000-60000", "predicted", Event(120.0, 60.0, "sz", .8), "TP"),
    ScoredEvent(
        "p400000-30000", "predicted", Event(400.0, 30.0, "sz", .7), "FP"))


def trail(folder, events=EVENTS, **head):
    return AuditTrail(Folder(folder), "log/one.jsonl", events, 600.0,
                      {"recording": "one.edf", **head})


def step(folder, version, action, key="", **more):
    """One change, as a reviewer sends it."""
    one = trail(folder)
    with one.locked():
        return one.append(Change(version, "Ana", action, key, **more),
                          "m1", NOON)


def as_tsv(given, annotated):
    return exported(given, Recording(
        "one.edf", "p", ("ECG",), "ECG", 0, "mV", 256.0, 600.0, START,
        annotation_source="EDF+" if annotated else None), "tsv")


def items(folder, events=EVENTS):
    one = trail(folder, events)
    return one.items(one.steps())


def test_a_step_records_who_when_and_what(tmp_path):
    step(tmp_path, 0, "change", "p400000-30000", onset_s=410.5,
         duration_s=20.0, label="sz_foc", note="left arm")
    head, line = map(json.loads, (
        tmp_path / "log/one.jsonl").read_text("utf-8").splitlines())
    assert head == {"format": "aura-review-1", "recording": "one.edf"}
    assert (line["reviewer"], line["action"], line["model_id"]) == (
        "Ana", "change", "m1")
    assert line["time"] == "2026-03-02T12:00:00.000+00:00"
    assert (line["before"]["onset_s"], line["before"]["label"]) == (
        400.0, "sz")
    assert {name: line["after"][name] for name in (
        "onset_s", "duration_s", "label", "note", "decision")} == {
            "onset_s": 410.5, "duration_s": 20.0, "label": "sz_foc",
            "note": "left arm", "decision": "accepted"}


def test_an_added_event_counts_as_edited_once_it_was_edited(tmp_path):
    for version, more in enumerate((
            {"action": "add", "onset_s": 5.0, "duration_s": 9.0},
            {"action": "change", "key": "a1", "note": "new"},
            {"action": "change", "key": "a1", "duration_s": 8.0})):
        after = step(tmp_path, version, **more)[-1].after
        assert (after.key, after.changed) == ("a1", version == 2)


def test_undo_restores_the_original_event(tmp_path):
    before = items(tmp_path)
    step(tmp_path, 0, "reject", "o100000-50000")
    assert items(tmp_path)["o100000-50000"].decision == "rejected"
    step(tmp_path, 1, "reset", "o100000-50000")
    assert items(tmp_path) == before
    assert len(trail(tmp_path).steps()) == 2


def test_an_outdated_step_is_rejected(tmp_path):
    step(tmp_path, 0, "accept", "p400000-30000")
    content = (tmp_path / "log/one.jsonl").read_bytes()
    for version in (0, 2):
        with pytest.raises(ConflictError):
            step(tmp_path, version, "reject", "p400000-30000")
    assert (tmp_path / "log/one.jsonl").read_bytes() == content


def test_decisions_survive_a_repeated_run_and_a_lost_alarm(tmp_path):
    step(tmp_path, 0, "accept", "p400000-30000")
    step(tmp_path, 1, "reject", "p120000-60000")
    later = items(tmp_path, EVENTS[:1])
    assert later["p400000-30000"].decision == "accepted"
    assert [event.onset_s for event in reviewed(later.values(), 600.0)] == [
        100.0, 400.0]


def test_decisions_do_not_apply_to_another_recording_of_that_name(tmp_path):
    whose = {"sha256": "aa", "start": "2001-02-03", "duration_s": 600.0}
    change = Change(0, "Ana", "accept", "p400000-30000")
    trail(tmp_path, **whose).append(change, "m1", NOON)
    for other in ({"start": "2001-02-04"}, {"duration_s": 500.0}):
        one = trail(tmp_path, **{**whose, "sha256": "bb", **other})
        with pytest.raises(PreconditionError, match="review.other"):
            one.steps()
        with pytest.raises(PreconditionError, match="review.other"):
            one.append(msgspec.structs.replace(change, version=1), "m1", NOON)
    # The same times with an edited header: decisions stay valid, and the
    # first line keeps the original digest.
    one = trail(tmp_path, **{**whose, "sha256": "bb"})
    one.append(msgspec.structs.replace(
        change, version=1, action="reject"), "m1", NOON)
    assert len(one.steps()) == 2
    first = (tmp_path / "log/one.jsonl").read_text("utf-8").splitlines()[0]
    assert json.loads(first)["sha256"] == "aa"


def test_every_step_can_be_taken_back_and_done_again(tmp_path):
    alarm = "p400000-30000"
    sent = ({"action": "accept", "key": alarm, "note": "short"},
            {"action": "change", "key": alarm, "onset_s": 410.0},
            {"action": "reject", "key": alarm},
            {"action": "add", "onset_s": 5.0, "duration_s": 9.0},
            {"action": "remove", "key": "a4"})
    states = [items(tmp_path)]
    for version, more in enumerate(sent):
        step(tmp_path, version, **more)
        states.append(items(tmp_path))
    for n in (5, 4, 3, 2, 1):
        key = sent[n - 1].get("key") or "a4"
        step(tmp_path, 10 - n, "restore", key, step=n)
        assert items(tmp_path) == states[n - 1]
    step(tmp_path, 10, "restore", alarm, step=10)
    assert items(tmp_path) == states[1]


def test_a_repeated_decision_is_a_step_only_if_another_person_makes_it(
        tmp_path):
    alarm = "p400000-30000"
    assert step(tmp_path, 0, "reset", alarm) == ()
    step(tmp_path, 0, "accept", alarm)
    before = (tmp_path / "log/one.jsonl").read_bytes()
    assert len(step(tmp_path, 1, "accept", alarm)) == 1
    assert (tmp_path / "log/one.jsonl").read_bytes() == before
    one = trail(tmp_path)
    with one.locked():
        steps = one.append(Change(1, "Ben", "accept", alarm), "m1", NOON)
    assert [one.reviewer for one in steps] == ["Ana", "Ben"]


@pytest.mark.parametrize("number, key", [
    (0, "p400000-30000"), (2, "p400000-30000"), (1, "o100000-50000"),
    (-1, "p400000-30000")])
def test_a_step_that_is_not_of_the_event_cannot_be_taken_back(
        tmp_path, number, key):
    step(tmp_path, 0, "accept", "p400000-30000")
    with pytest.raises(InvalidInputError, match="review.step"):
        step(tmp_path, 1, "restore", key, step=number)


@pytest.mark.parametrize("more, rule", [
    ({"onset_s": -1.0}, "review.times"),
    ({"onset_s": 590.0, "duration_s": 20.0}, "review.times"),
    ({"duration_s": 0.0}, "review.times"),
    ({"duration_s": 0.0004}, "review.times"),
    ({"onset_s": float("nan")}, "review.times"),
    ({"duration_s": float("inf")}, "review.times"),
    ({"label": ""}, "review.text"),
    ({"label": "a\tb"}, "review.text"),
    ({"label": "sz\u202egnp"}, "review.text"),
    ({"label": "x" * 65}, "review.text"),
    ({"note": "a\nb"}, "review.text")])
def test_an_invalid_change_writes_nothing(tmp_path, more, rule):
    with pytest.raises(InvalidInputError) as refused:
        step(tmp_path, 0, "change", "p400000-30000", **more)
    assert refused.value.rule == rule
    assert not (tmp_path / "log").exists()


@pytest.mark.parametrize("label", [
    "sz", "épilepsie", "発作", "تشنج", "می\u200cشود", "приступ", "<b>"])
def test_labels_of_any_script_are_kept(tmp_path, label):
    step(tmp_path, 0, "change", "p400000-30000", label=label)
    assert items(tmp_path)["p400000-30000"].label == label
    assert label.encode() in as_tsv(items(tmp_path).values(), True)


def test_a_damaged_audit_trail_is_not_changed(tmp_path):
    step(tmp_path, 0, "accept", "p400000-30000")
    path = tmp_path / "log/one.jsonl"
    whole = path.read_bytes()
    for content in (b"", b"{}", whole[:-20], whole + b"[]\n", b"\xff" + whole,
                    whole + whole.splitlines()[1] + b"\n", b"[" * 100_000):
        path.write_bytes(content)
        with pytest.raises(CorruptDataError, match="review.journal"):
            step(tmp_path, 1, "reject", "p400000-30000")
        assert path.read_bytes() == content


def _write(folder, name, count):
    for _ in range(count):
        one = trail(folder)
        with one.locked():
            one.append(Change(
                len(one.steps()), name, "add", onset_s=1.0,
                duration_s=1.0), "m", NOON)


def test_writers_in_several_processes_lose_no_step(tmp_path):
    spawn = multiprocessing.get_context("fork")
    writers = [spawn.Process(target=_write, args=(tmp_path, name, 8))
               for name in ("Ana", "Ben", "Cyn")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    steps = trail(tmp_path).steps()
    assert sorted(step.reviewer for step in steps) == (
        ["Ana"] * 8 + ["Ben"] * 8 + ["Cyn"] * 8)
    assert len({step.after.key for step in steps}) == 24


def one(layer, onset, length, decision="open", label="sz", changed=False):
    return Item(f"{layer[0]}{onset}", layer, decision, onset, length, label,
                changed=changed)


@pytest.mark.parametrize("given, expected", [
    ([one("original", 100, 50)], [(100, 50)]),
    ([one("original", 100, 50, "rejected")], []),
    ([one("predicted", 400, 30)], []),
    ([one("predicted", 400, 30, "accepted")], [(400, 30)]),
    ([one("predicted", 400, 30, "rejected")], []),
    # The onset and end of an alarm are less exact.
    ([one("original", 100, 50), one("predicted", 120, 60, "accepted")],
     [(100, 50)]),
    # An event edited by a person counts as drawn.
    ([one("original", 100, 50),
      one("predicted", 120, 60, "accepted", changed=True)], [(100, 80)]),
    ([one("original", 100, 50, "rejected"),
      one("predicted", 120, 60, "accepted")], [(120, 60)]),
    ([one("added", 10, 5, "accepted")], [(10, 5)]),
    ([one("added", 10, 5, "accepted", "movement")], [(10, 5)])])
def test_the_reviewed_annotation_follows_its_rules(given, expected):
    assert [(event.onset_s, event.duration_s)
            for event in reviewed(given, 600.0)] == expected


def test_background_is_written_only_after_annotation_or_review():
    undecided = [one("predicted", 400, 30)]
    rejected = [one("predicted", 400, 30, "rejected")]

    def rows(given, annotated):
        return as_tsv(given, annotated).count(b"\n") - 1

    assert rows(undecided, annotated=False) == 0
    assert rows(rejected, annotated=False) == 1
    assert rows(undecided, annotated=True) == 1
    assert b"\tbckg\t" in as_tsv(rejected, False)
