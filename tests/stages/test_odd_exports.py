"""Odd recordings, exported after `aura predict` and read back."""

import gzip
import json
import re
import secrets
from collections import defaultdict
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from aura.cli import main
from aura.folder import Folder
from aura.recording import Event
from aura.runners import local
from aura.settings import Settings
from aura.stages import manifest
from tests.edf_builder import Channel, File, plus, tal
from tests.fault_server import serving
from tests.influxdb.conftest import influx  # noqa: F401
from tests.lines import parse
from tests.stored_points import flat, read_back

MANY = 10_000
LABEL = 'sz_"a" \\ b,\nc = d é \U0001f9e0\\'
STORED = LABEL.replace("\n", "\\n")
CHANNEL = 'ECG, "= \\'
CROWD = tuple(Event(.006 * n, .003, "sz") for n in range(MANY))
ALARMS = tuple(Event(.006 * n + .002, .003, "sz") for n in range(MANY))


def files(folder):
    """Recordings that are odd and yet can be read."""
    heart = (Channel(label=CHANNEL),)
    flat_lead = (Channel(digital=np.zeros((60, 256), np.int64)),)
    for name, file in {
            "bare": File(), "crowd": File(), "early": plus(channels=heart),
            "flat": plus(texts=[tal(30, 9, "seizure")], channels=flat_lead),
            "late": File(), "named": plus(texts=[tal(30, 9, "seizure")]),
            "unpredicted": plus(texts=[tal(30, 9, "seizure")])}.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "rec.edf").write_bytes(file.bytes())
    return folder


def changed(name, entry):
    """An entry as no file gives it, but another loader might."""
    known = entry.recording
    changes = {
        "crowd": {"events": CROWD, "annotation_source": "rec.tsv"},
        "early": {"start": datetime(1938, 3, 2, 10, 20, 30)},
        "late": {"start": datetime(2262, 6, 1)},
        "named": {"events": (Event(30, 9, LABEL),)}}
    predicted = {"crowd": ALARMS, "unpredicted": None,
                 "named": (Event(31, 9, LABEL, .5),)}
    return replace(entry, recording=replace(known, **changes.get(name, {})),
                   predicted=predicted.get(name, entry.predicted))


@pytest.fixture(scope="module")
def out(template, tmp_path_factory):
    """The output of `aura predict`; an export changes none of its files."""
    shared, report = template
    folder = tmp_path_factory.mktemp("odd")
    out = folder / "out"
    local.predict([files(folder / "recordings")], shared / report.model_path,
                  out, Settings(batch_size=20))
    hidden = Folder(out / ".aura")
    path = "runs/local/batches/0000/predictions.json"
    batch = manifest.read(hidden, path)
    manifest.write(hidden, path, batch.with_entries([
        changed(entry.path.split("/")[0], entry)
        for entry in batch.entries]))
    return out


def export(out, monkeypatch, url, bucket="ecg", token="t0ken", org="aura"):
    """Lines of `aura export`, and its reports."""
    for name, value in (("URL", url), ("ORG", org), ("BUCKET", bucket),
                        ("TOKEN", token)):
        monkeypatch.setenv(f"INFLUXDB_V2_{name}", value)
    # Exit status 2: some recordings were left out.
    assert main(["export", str(out)]) == 2
    folder = out / ".aura/runs/local/export"
    return gzip.decompress((folder / "0000.lp.gz").read_bytes()), json.loads(
        (folder / "0000.json").read_bytes()), json.loads(
        (folder / "0000.aliases.json").read_bytes())


@pytest.fixture(scope="module")
def found(out):
    """
    {recording: {measurement: [(tags, fields, time)]}}, and the report.

    The 10,000 events are kept as lines, because the parser is slow.
    """
    with pytest.MonkeyPatch.context() as patch, serving() as store:
        text, report, names = export(out, patch, store.url)
        assert set(store.points.values()) == set(text.splitlines())
        assert len(store.points) == report["points_written"]
    of = {one["recording"]: one["path"].split("/")[0] for one in names}
    points = defaultdict(lambda: defaultdict(list))
    crowd, = (name.encode() for name, path in of.items() if path == "crowd")
    rest = []
    for line in text.splitlines(keepends=True):
        many = line.startswith((b"event,", b"agreement,")) and crowd in line
        (points["crowd"]["many"] if many else rest).append(line)
    for measurement, tags, fields, time_ns in parse(b"".join(rest)):
        points[of[tags["recording"]]][measurement].append(
            (tags, fields, time_ns))
    return points, report


def test_a_clock_that_no_store_can_hold_is_left_out_by_name(found):
    points, report = found
    assert points.keys() == {
        "bare", "crowd", "early", "flat", "named", "unpredicted"}
    [left] = report["left_out"]
    assert (left["path"], left["rule"]) == ("late/rec.edf", "line.time")
    assert report["status_text"].endswith("1 not exported")


def test_a_clock_before_1970_is_stored_at_its_date(found):
    early = found[0]["early"]
    [(_, fields, start)] = early["recording"]
    assert start == -1_004_621_970 * 10 ** 9
    assert fields["end_ns"] == start + 60 * 10 ** 9
    assert all(start <= time_ns <= start + 61 * 10 ** 9
               for rows in early.values() for _, _, time_ns in rows)
    assert {tags["channel"] for tags, _, _ in early["ecg"]} == {
        CHANNEL.replace("\\", "\N{FULLWIDTH REVERSE SOLIDUS}")}


def test_ten_thousand_events_of_both_layers_are_ten_thousand_points(found):
    crowd = found[0]["crowd"]
    [(_, whole, start)] = crowd["recording"]
    assert whole["seizures"] == MANY
    for layer, listed in (("original", CROWD), ("predicted", ALARMS)):
        mine = [tuple(map(int, re.search(
            rb" number=(\d+)i,end_ns=(\d+)i,.* (\d+)$", line).groups()))
            for line in crowd["many"] if line.startswith(b"event,")
            and f"layer={layer},".encode() in line]
        assert mine == [
            (number, start + round(one.end_s * 10 ** 9),
             start + round(one.onset_s * 10 ** 9))
            for number, one in enumerate(listed, 1)]
    [(_, counts, _)] = crowd["score"]
    assert counts["alarms"] == MANY


def test_a_recording_without_annotation_has_no_outcome(found):
    bare = found[0]["bare"]
    [(_, whole, _)], [(_, counts, _)] = bare["recording"], bare["score"]
    assert whole["annotated"] is False and "seizures" not in whole
    assert {"tp", "fn", "fp"}.isdisjoint(counts)
    assert "agreement" not in bare and len(bare["ecg"]) > 600
    assert {"original"}.isdisjoint(
        tags["layer"] for tags, _, _ in bare["event"])


def test_without_a_prediction_no_seizure_is_missed(found):
    one = found[0]["unpredicted"]
    assert {"score", "agreement"}.isdisjoint(one)
    assert [tags["layer"] for tags, _, _ in one["event"]] == ["original"]
    assert one["recording"][0][1]["seizures"] == 1


def test_a_flat_recording_is_unscorable_from_start_to_end(found):
    lead = found[0]["flat"]
    [(_, span, start)] = lead["unscorable"]
    assert span["end_ns"] - start == 60 * 10 ** 9
    assert {fields["scorable"] for _, fields, _ in lead["quality"]} == {0.0}
    assert {"probability", "heart_rate", "feature"}.isdisjoint(lead)
    assert [fields["outcome"] for _, fields, _ in lead["agreement"]] == [
        "FN"]


def test_a_label_is_read_back_except_for_its_line_break(found):
    assert [(tags["layer"], fields["label"]) for tags, fields, _ in found[
        0]["named"]["event"]] == [
            ("original", STORED), ("predicted", STORED)]


@pytest.mark.influxdb
def test_a_real_store_returns_all_of_them(
        out, monkeypatch, influx):  # noqa: F811
    name = f"aura-odd-{secrets.token_hex(6)}"
    text, report, _ = export(out, monkeypatch, influx.url, name,
                             influx.token, influx.org)
    try:
        assert report["points_written"] == text.count(b"\n")
        assert report["points_rejected"] == 0
        assert read_back(influx, name) == flat(parse(text))
    finally:
        for known in influx.buckets(name):
            influx.call(f"/api/v2/buckets/{known['id']}", method="DELETE")
