"""The page gets what the files contain, even if some are missing."""

import json
import shutil

import numpy as np
import pytest

from aura.cli import main
from aura.ecg.features import SCHEMA
from aura.ecg.rollup import minmax
from aura.edf.header import read_header
from aura.edf.signal import EcgSignal
from aura.errors import AuraError, ForbiddenError, MissingError
from aura.recording import ArraySignal, Event
from aura.review.audit_trail import Change
from aura.review.document import write_document
from aura.review.reasons import Explainer
from aura.review.service import FilesNotWrittenError, ReviewService
from aura.review.tiles import BUCKETS, FACTORS, packed, pyramid
from aura.review.worklist import on_share
from aura.scoring.score import score
from aura.settings import Settings
from tests.review_runs import THRESHOLD, alarm, make_run, opened


def unframe(content):
    """Columns of a frame, read as the page does."""
    length = int.from_bytes(content[:4], "little")
    head = json.loads(content[4:4 + length])
    at, columns = 4 + length, {}
    for name, kind, count in head["columns"]:
        columns[name] = np.frombuffer(content, kind, count, at)
        at += -(-columns[name].nbytes // 8) * 8
    assert at == len(content)
    return head, columns


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(
        tmp_path_factory.mktemp("run"),
        {"found": [alarm(310)], "missed": [alarm(100)], "blank": [alarm(50)],
         "unpredicted": None, "both": [alarm(310), alarm(500, 20)]},
        {"blank": None},
        found={}, missed={"seed": 2}, blank={"seed": 3, "seconds": 300,
                                             "seizure": None},
        unpredicted={"seed": 4, "seconds": 400},
        both={"seed": 5})


@pytest.fixture
def service(run, tmp_path):
    """A copy of the run, so that tests do not share reviews."""
    shutil.copytree(run, tmp_path / "out")
    return ReviewService(opened(tmp_path / "out"))


def case(service, name):
    return next(one for one in service.listing()["cases"]
                if one["path"] == f"{name}.edf")


def detail(service, name):
    return service.detail(case(service, name)["key"])


def test_counts_equal_the_score(service):
    for one in service.runs.worklist().cases:
        predicted = one.entry.predicted
        shown = case(service, one.recording.path[:-4])["counts"]
        if predicted is None or not one.recording.annotated:
            assert shown is None
            continue
        counted = score(one.recording.events, predicted,
                        one.recording.duration_s).events
        assert shown == {"TP": counted.tp, "FP": counted.fp,
                         "FN": counted.ref_true - counted.tp}


def test_each_event_has_its_outcome(service):
    def outcomes(name):
        return [(mark["layer"], mark["onset_s"], mark["outcome"])
                for mark in detail(service, name)["marks"]]

    assert outcomes("both") == [
        ("original", 300, "TP"), ("predicted", 310, "TP"),
        ("predicted", 500, "FP")]
    assert outcomes("missed") == [
        ("predicted", 100, "FP"), ("original", 300, "FN")]
    assert outcomes("blank") == [("predicted", 50, "")]
    assert outcomes("unpredicted") == [("original", 300, "")]


def test_trends_are_the_rows_of_the_tables(service):
    head, columns = unframe(service.trends(case(service, "both")["key"]))
    assert columns["time_s"].tolist() == list(range(1, 601))
    seizure = slice(330, 350)
    assert np.nanmean(columns["heart_rate_bpm"][seizure]) > np.nanmean(
        columns["baseline_bpm"][seizure]) + 20
    assert np.nanmax(columns["probability"][seizure]) > THRESHOLD


def test_beats_are_where_the_peaks_are(service, run):
    key = case(service, "found")["key"]
    _, columns = unframe(service.beats(key))
    with (run.parent / "data/found.edf").open("rb") as stream:
        signal = EcgSignal(stream, read_header(stream), 0)
        samples = signal.read(0, signal.sample_count)
        for beat in columns["time_ms"][5:50]:
            at = round(beat / 1000 * signal.fs_hz)
            near = samples[at - 40:at + 40]
            assert abs(int(np.argmax(near)) - 40) <= 2


@pytest.mark.parametrize("factor", FACTORS)
def test_tiles_of_all_factors_are_the_samples(service, run, factor):
    key = case(service, "found")["key"]
    with (run.parent / "data/found.edf").open("rb") as stream:
        signal = EcgSignal(stream, read_header(stream), 0)
        samples = signal.read(0, signal.sample_count)
    low, high = minmax(samples, factor)
    count = -(-len(low) // BUCKETS)
    for index in range(count):
        head, columns = unframe(service.tile(key, factor, index))
        part = slice(index * BUCKETS, (index + 1) * BUCKETS)
        for name, values in (("low", low), ("high", high)):
            found = columns.get(name, columns["low"])
            np.testing.assert_allclose(
                head["offset"] + head["scale"] * found, values[part],
                atol=head["scale"] * .51)
    for beyond in (-1, count):
        with pytest.raises(AuraError, match="review.tile"):
            service.tile(key, factor, beyond)


def test_a_pyramid_made_in_pieces_is_that_of_the_whole():
    samples = np.random.default_rng(1).normal(size=2 ** 21 + 12_345)
    for factor, (low, high) in pyramid(ArraySignal(samples, 256.0)).items():
        expected = minmax(samples, factor)
        np.testing.assert_allclose(low, expected[0], rtol=1e-6)
        np.testing.assert_allclose(high, expected[1], rtol=1e-6)


def test_missing_samples_stay_missing_in_a_tile():
    tile = packed(np.array([np.nan, 1.0, 3.0]), np.array([np.nan, 2.0, 3.0]))
    assert (tile.low[0], tile.high[0]) == (-32768, -32768)
    assert tile.offset + tile.scale * tile.low[1:] == pytest.approx([1, 3])
    flat = packed(np.full(4, 7.0), np.full(4, 7.0))
    assert flat.offset + flat.scale * flat.low == pytest.approx([7] * 4)
    none = packed(np.full(2, np.nan), np.full(2, np.nan))
    assert none.low.tolist() == [-32768] * 2


def test_reasons_compare_an_alarm_with_the_usual_range(service):
    told = service.reasons(case(service, "found")["key"])
    assert told["problem"] is None
    keys = {mark["layer"]: mark["key"]
            for mark in detail(service, "found")["marks"]}
    fired = told["events"][keys["predicted"]]
    assert fired["time_s"] == 310
    first = fired["reasons"][0]
    assert (first["name"], first["used"]) == ("hr_rise", True)
    for one in (*fired["reasons"], *told["events"][keys["original"]][
            "reasons"]):
        assert one["title"] != one["name"] and one["meaning"].endswith(".")
    closest = told["events"][keys["original"]]
    rise = closest["reasons"][0]
    assert rise["low"] < rise["median"] < rise["high"] < rise["value"]
    _, columns = unframe(service.trends(case(service, "found")["key"]))
    assert closest["probability"] == pytest.approx(
        np.nanmax(columns["probability"][300:360]), abs=1e-6)
    assert closest["heart_rate_bpm"] - closest["baseline_bpm"] == (
        pytest.approx(rise["value"], abs=1e-3))


def test_every_feature_has_a_title_and_a_meaning():
    assert all(one.title and one.meaning.endswith(".") for one in SCHEMA)


@pytest.mark.parametrize("chance, name", [(0., "mean_hr"), (.5, "hr_rise")])
def test_a_tie_shows_the_strongest_moment_inside_the_seizure(
        service, chance, name):
    found = service.runs.case(case(service, "found")["key"])
    explainer = Explainer(service.runs, found, ("hr_rise", "hr_over_p95"))
    explainer._smoothed[:] = chance
    mark, = (one for one in found.events if one.layer == "original")
    values = explainer._values[name][300:360]
    told = explainer.explain(mark)
    assert told.time_s == 301 + np.argmax(values)
    assert told.probability == chance


def accept(service, key, mark, version=0, action="accept", who="Ana"):
    return service.change(key, Change(version, who, action, mark))


def test_a_decision_is_saved_and_changes_no_other_file(service):
    root = service.runs.reviews.root
    given = {path: path.read_bytes() for path in root.parent.rglob("*")
             if path.is_file()}
    key = case(service, "both")["key"]
    state = accept(service, key, "p500000-20000")
    assert state["version"] == 1
    assert {path: path.read_bytes() for path in given} == given
    rows = (root / "tsv/both.tsv").read_text().splitlines()[1:]
    assert [row.split("\t")[:3] for row in rows] == [
        ["300.00", "60.00", "sz"], ["500.00", "20.00", "sz"]]
    for kind, path in (("tsv", "tsv/both.tsv"), ("edf", "edf/both.edf"),
                       ("log", "log/both.jsonl")):
        assert service.export(key, kind)[1] == (root / path).read_bytes()
    assert case(service, "both")["decided"] == 1
    names = sorted(str(path.relative_to(root)) for path in root.rglob("*")
                   if path.is_file())
    assert names == [".lock", "edf/both.edf", "log/both.jsonl",
                     "tsv/both.tsv"]


def test_a_decision_is_saved_if_its_files_cannot_be_written(
        service, tmp_path):
    key, mark = case(service, "found")["key"], "p310000-30000"
    (tmp_path / "out/.review/edf").mkdir(parents=True)
    (tmp_path / "out/.review/edf/found.edf").mkdir()
    with pytest.raises(FilesNotWrittenError):
        accept(service, key, mark)
    assert service.review(key)["version"] == 1
    (tmp_path / "out/.review/edf/found.edf").rmdir()
    accept(service, key, mark, 1, "reject")
    assert (tmp_path / "out/.review/edf/found.edf").is_file()


def test_two_tabs_may_change_two_events_but_not_one(service):
    key = case(service, "both")["key"]
    accept(service, key, "p500000-20000", 0)
    other = accept(service, key, "p310000-30000", 0, "reject", "Ben")
    assert other["version"] == 2
    assert {item["key"]: (item["decision"], item["by"])
            for item in other["items"]} == {
        "p500000-20000": ("accepted", "Ana"),
        "p310000-30000": ("rejected", "Ben")}
    with pytest.raises(AuraError, match="review.conflict"):
        accept(service, key, "p310000-30000", 1, "accept", "Ana")
    assert service.review(key)["version"] == 2


def test_missing_files_affect_only_their_own_part(service, tmp_path):
    batch = tmp_path / "out/.aura/runs/local/batches/0000"
    inputs = tmp_path / "out/.aura/inputs.json"
    inputs.write_text(json.dumps({"0": str(tmp_path / "moved")}))
    away = ReviewService(opened(tmp_path / "out"))
    shown = detail(away, "both")
    assert shown["waveform"]["problem"]["rule"] == "path.missing"
    assert len(shown["marks"]) == 3
    assert len(unframe(away.trends(shown["key"]))[1]["time_s"]) == 600
    for name in ("features.parquet", "predictions.parquet",
                 "beats.parquet"):
        (batch / name).write_bytes(b"PAR1 this is none")
    shown = detail(away, "both")
    assert {problem["rule"] for problem in shown["problems"]} == {
        "review.table"}
    assert len(shown["marks"]) == 3 and shown["threshold"] is None
    assert len(unframe(away.trends(shown["key"]))[1]["time_s"]) == 0
    assert len(unframe(away.beats(shown["key"]))[1]["time_ms"]) == 0
    assert away.reasons(shown["key"])["problem"]


@pytest.mark.parametrize("content", [
    b"", b"{", b"[]", b"null", b'{"format": "aura-manifest-1"}', b"[" * 9999])
def test_a_damaged_manifest_affects_only_its_batch(service, tmp_path, content):
    batches = tmp_path / "out/.aura/runs/local/batches"
    shutil.copytree(batches / "0000", batches / "0001")
    (batches / "0001/predictions.json").write_bytes(content)
    found = service.listing()
    assert len(found["cases"]) == 5
    assert [problem["rule"] for problem in found["problems"]] == [
        "manifest.damaged"]


@pytest.mark.parametrize("field, value", [
    ("onset_s", "1"), ("duration_s", None), ("label", 7), ("onset_s", []),
    ("onset_s", 10 ** 400), ("duration_s", float("inf"))])
def test_invalid_events_are_a_problem(service, tmp_path, field, value):
    path = tmp_path / "out/.aura/runs/local/batches/0000/predictions.json"
    content = json.loads(path.read_text())
    both = next(one for one in content["recordings"]
                if one["path"] == "both.edf")
    both["predicted"][0][field] = value
    path.write_text(json.dumps(content))
    found = service.listing()
    assert len(found["cases"]) == 4
    assert [problem["rule"] for problem in found["problems"]] == [
        "manifest.damaged"]


def test_ten_thousand_events_are_compared(tmp_path):
    events = [Event(.01 * n + 1, .005, "sz", .5) for n in range(10_000)]
    out = make_run(tmp_path, {"one": events},
                   one={"seconds": 120, "seizure": (60, 20)})
    service = ReviewService(opened(out))
    shown = detail(service, "one")
    assert len(shown["marks"]) == 10_001
    assert write_document(service, shown["key"]).count(b"p1000-5") >= 1


def test_links_out_of_a_folder_are_not_followed(run, tmp_path):
    secret = tmp_path / "secret.edf"
    secret.write_bytes((run.parent / "data/found.edf").read_bytes())
    out, data = tmp_path / "out", tmp_path / "data"
    shutil.copytree(run, out)
    shutil.copytree(run.parent / "data", data)
    (data / "found.edf").unlink()
    (data / "found.edf").symlink_to(secret)
    (out / ".aura/inputs.json").write_text(json.dumps({"0": str(data)}))
    assert detail(ReviewService(opened(out)), "found")["waveform"]["problem"][
        "rule"] == "path.outside"
    (out / ".review").symlink_to(tmp_path)
    with pytest.raises(ForbiddenError, match="path.outside"):
        opened(out)


def test_a_review_never_leaves_its_folder_by_a_link(service, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out/.review").mkdir()
    (tmp_path / "out/.review/tsv").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ForbiddenError, match="path.outside"):
        accept(service, case(service, "both")["key"], "p500000-20000")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_each_run_of_a_shared_folder_has_its_own_review(run, tmp_path):
    shared = tmp_path / "shared"
    shutil.copytree(run / ".aura/runs/local", shared / "runs/first")
    shutil.copytree(run / ".aura/runs/local", shared / "runs/second")
    for path in shared.rglob("*.json"):
        path.write_text(path.read_text().replace(
            '"input": "0"', '"input": "recordings"'))
    shutil.copytree(run.parent / "data", shared / "recordings")
    service = ReviewService(on_share(shared, Settings()))
    found = {one["run"]: one["key"] for one in service.listing()["cases"]
             if one["path"] == "both.edf"}
    assert set(found) == {"first", "second"}
    accept(service, found["second"], "p500000-20000")
    assert service.review(found["first"])["version"] == 0
    assert (shared / "runs/second/review/tsv/both.tsv").is_file()
    assert service.detail(found["first"])["waveform"]["problem"] is None


def test_a_folder_without_predictions_is_an_error(tmp_path):
    with pytest.raises(MissingError, match="review.no_run"):
        opened(tmp_path)


def test_review_and_predictions_score_one_another(tmp_path, capsys):
    times = np.cumsum(np.full(700, .85))
    out = make_run(
        tmp_path, {"rr": [alarm(310), alarm(500)], "blank": [alarm(50)]},
        {"rr": [Event(300.0, 60.0, "sz")], "blank": None},
        rr=(".beats.csv", "\n".join(
            ["beat_time_s", *map("{:.2f}".format, times)]).encode()),
        blank={"seconds": 120, "seizure": None})
    service = ReviewService(opened(out))
    for one in service.listing()["cases"]:
        alarms = [mark for mark in service.detail(one["key"])["marks"]
                  if mark["layer"] == "predicted"]
        service.change(one["key"], Change(
            0, "Ana", "reject", alarms[-1]["key"]))

    def scored(*folders):
        assert main(["score", *map(str, folders), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        events = found["pooled"]["events"]
        assert found["without_hypothesis"] == found["refused"] == 0
        return events["ref_true"], events["tp"], events["fp"]

    # One seizure was kept and is detected; two alarms are false.
    assert scored(out / ".review/tsv", out) == (1, 1, 2)
    assert scored(out, out / ".review/tsv") == (3, 1, 0)
