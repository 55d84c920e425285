"""``aura evaluate`` from recordings to report, on a small made-up cohort."""

import json

import numpy as np
import pytest

from aura import cli
from aura.detector import forest
from aura.evaluation import chance, detectors
from aura.runners.evaluate import read
from aura.settings import Settings
from tests.patients import record, study

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A tenth of the trees and of the repetitions is enough to see."""
    monkeypatch.setattr(forest, "TREES", 10)
    monkeypatch.setattr(chance, "SHUFFLES", 2)
    monkeypatch.setattr(chance, "SURROGATES", 20)


def control_group(folder, people=4, minutes=8):
    """Beat times of people without any annotation."""
    for number in range(people):
        random = np.random.default_rng(number)
        rr_s = 0.8 + 0.03 * random.standard_normal(minutes * 75)
        path = folder / f"h{number}" / "day.beats.csv"
        path.parent.mkdir(parents=True)
        path.write_text("beat_time_s\n" + "".join(
            f"{time_s:.3f}\n" for time_s in np.cumsum(rr_s)))
    return folder


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Three patients with a seizure each, and a control group of four."""
    folder = tmp_path_factory.mktemp("evaluate")
    study(folder / "patients")
    control_group(folder / "calm")
    return folder


def evaluate(*arguments):
    return cli.main(["evaluate", *map(str, arguments)])


def test_a_cohort_becomes_one_table_and_the_same_bytes_again(
        cohort, tmp_path, capsys):
    inputs = cohort / "patients", cohort / "calm"
    assert evaluate(*inputs, "--out", tmp_path / "one") == 0
    out, err = capsys.readouterr()
    assert "evaluate.taken_as_free_of_seizures" in err
    assert "4 recordings" in err
    for name in ("its 5-min median for 5 s", "Jeppesen", "logistic",
                 "HistGradientBoosting", "RandomForest"):
        assert sum(name in line for line in out.splitlines()) == 1
    assert "Research software, not a medical device." in out

    assert evaluate(*reversed(inputs), "--no-pictures",
                    "--out", tmp_path / "two") == 0
    one, two = ((tmp_path / name / "report.json").read_bytes()
                for name in ("one", "two"))
    assert one == two
    assert str(tmp_path).encode() not in one and b"p1" not in one
    report = json.loads(one)
    assert report["data"]["people"] == 7
    assert report["data"]["people_with_seizures"] == 3
    assert report["data"]["problems"][
        "evaluate.taken_as_free_of_seizures"] == 4
    for detector in report["detectors"]:
        assert [part["people_with_seizures"]["seizures"]
                for part in detector["rounds"]] == [3, 3]
        assert detector["people_without_seizures"]["people"] == 4
    written = {path.name: path.read_bytes()
               for path in (tmp_path / "one").iterdir()}
    assert set(written) == {"report.json", "report.md", "sensitivity.png",
                            "seizures.png", "reliability.png"}
    assert all(content.startswith(PNG) for name, content in written.items()
               if name.endswith(".png"))
    assert not list((tmp_path / "two").glob("*.png"))


def test_own_thresholds_add_a_row_and_change_no_other(
        cohort, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(detectors, "DETECTORS", detectors.DETECTORS[-1:])
    tables = []
    for number, more in enumerate(
            ([], ["--adapt-after", ".05"])):
        assert evaluate(cohort / "patients", "--no-pictures", *more,
                        "--out", tmp_path / str(number)) == 0
        capsys.readouterr()
        tables.append(json.loads((
            tmp_path / str(number) / "report.json").read_bytes())[
                "detectors"])
    plain, full = tables
    assert full[:len(plain)] == plain
    forest, csi = full[len(plain):]
    assert (forest["key"], csi["key"]) == ("forest_adaptive", "csi_personal")
    assert forest["alarm"]["adapt_after_h"] == .05
    assert csi["threshold"] == "fixed"
    assert "0.05 h" in forest["name"] and "0.05 h" in csi["name"]


def test_what_nobody_annotated_can_be_left_out(cohort, tmp_path, capsys):
    assert evaluate(cohort / "patients", cohort / "calm", "--annotated-only",
                    "--no-pictures", "--out", tmp_path / "e") == 0
    report = json.loads((tmp_path / "e/report.json").read_bytes())
    assert report["data"]["people"] == 3
    assert report["data"]["problems"]["evaluate.not_annotated"] == 4
    assert len(report["rounds"]) == 1
    assert "evaluate.not_annotated" in capsys.readouterr().err


def test_patients_who_cannot_be_told_apart_are_one_and_refused(
        tmp_path, capsys):
    for number in (1, 2):
        record(tmp_path / "all" / f"{number}.edf", seed=number,
               patient="X X X X")
    assert evaluate(tmp_path / "all", "--out", tmp_path / "e") == 1
    err = capsys.readouterr().err
    assert "train.few_patients" in err
    assert not (tmp_path / "e/report.json").exists()


def test_bad_recordings_are_counted_and_never_silent(
        cohort, tmp_path, capsys):
    folder = tmp_path / "s"
    study(folder)
    # One is nothing but noise around its seizure, one is no recording, and
    # one has a seizure annotated that goes on after its end.
    noise = folder / "p4" / "rec.beats.csv"
    noise.parent.mkdir()
    noise.write_text("rr_ms\n" + "5000\n200\n" * 100)
    (noise.parent / "rec.tse_bi").write_text(
        "version = tse_v1.0.0\n\n0.0000 100.0000 bckg 1.0000\n"
        "100.0000 140.0000 seiz 1.0000\n140.0000 520.0000 bckg 1.0000\n")
    (folder / "p5").mkdir()
    (folder / "p5" / "rec.edf").write_bytes(b"no recording")
    (folder / "p3" / "rec.tse_bi").write_text(
        "version = tse_v1.0.0\n\n0.0000 360.0000 bckg 1.0000\n"
        "360.0000 420.0000 seiz 1.0000\n420.0000 900.0000 bckg 1.0000\n"
        "900.0000 960.0000 seiz 1.0000\n")
    assert evaluate(folder, "--no-pictures", "--out", tmp_path / "e") == 2
    err = capsys.readouterr().err
    report = json.loads((tmp_path / "e/report.json").read_bytes())
    data = report["data"]
    assert len(data["nothing_scorable"]["recordings"]) == 1
    assert data["nothing_scorable"]["seizures_counted_as_missed"] == 1
    assert sum(count for rule, count in data["problems"].items()
               if rule.startswith("annotations.")) >= 1
    assert "p5/rec.edf" in err


def test_nothing_to_read_is_said(tmp_path, capsys):
    assert evaluate(tmp_path / "none", "--out", tmp_path / "e") == 1
    assert "none" in capsys.readouterr().err


def test_training_learns_from_the_control_group_and_names_it(
        cohort, tmp_path, monkeypatch, capsys):
    def trained(name):
        assert cli.main(["train", str(cohort / "patients"), str(
            cohort / "calm"), "--out", str(tmp_path / name)]) == 0
        return json.loads((tmp_path / name / "card.json").read_bytes())

    both = trained("both")
    assert f"({cohort / 'calm'}) counted as free" in capsys.readouterr().out
    assert both["data"]["recordings"] == 7
    assert both["data"]["patients_with_seizures"] == 3
    assert both["data"]["recordings_taken_as_free_of_seizures"] == 4
    monkeypatch.setenv("AURA_ANNOTATED_ONLY", "1")
    alone = trained("alone")
    assert alone["data"]["recordings"] == 3
    assert alone["data"]["recordings_taken_as_free_of_seizures"] == 0
    assert alone["data"]["fingerprint"] != both["data"]["fingerprint"]


def test_a_patient_with_seizures_is_not_free_of_them_in_another_tree(
        cohort, tmp_path):
    more = control_group(tmp_path / "more", people=2)
    (more / "h1").rename(more / "P1")
    found = read([cohort / "patients", more], Settings())
    assert (found.taken_as_free, found.left_out) == (1, 1)
    assert len(found.cases) == 4
    assert cli.main(["train", str(cohort / "patients"), str(more),
                     "--out", str(tmp_path / "m")]) == 0
    card = json.loads((tmp_path / "m/card.json").read_bytes())
    assert card["data"]["recordings_taken_as_free_of_seizures"] == 1
    assert card["data"]["recordings"] == 4


@pytest.mark.parametrize("beside, content", [
    ("Seizures-list-X.txt", b"Seizure n 1\n"),
    ("day_events.tsv", b"onset\tduration\teventType\n1\tn/a\tfit\n"),
    ("day_events.tsv", b"onset\tduration\teventType\n9999\t5\tsz\n"),
    ("day_events.tsv", b"onset\tduration\teventType\n9\t5\tsz?\n"),
    ("day.tse_bi", b"unreadable"), ("seizures.xlsx", b"")])
def test_a_folder_with_annotations_that_are_not_understood_is_not_free(
        cohort, tmp_path, capsys, beside, content):
    more = control_group(tmp_path / "more", people=2)
    (more / "h1" / beside).write_bytes(content)
    found = read([cohort / "patients", more], Settings())
    assert found.taken_as_free == 0
    assert len(found.cases) == 3
    assert cli.main(["train", str(cohort / "patients"), str(more),
                     "--out", str(tmp_path / "m")]) in (0, 2)
    rejected = beside == "day.tse_bi"
    assert ("1 recording left out, because" in capsys.readouterr().out) \
        != rejected
    card = json.loads((tmp_path / "m/card.json").read_bytes())
    assert card["data"]["recordings"] == 3


def test_a_seizure_of_unknown_length_is_scored_and_bars_its_surroundings(
        cohort, tmp_path):
    rows = [(0, 60, "bckg"), (400, "n/a", "sz")]
    table = "onset\tduration\teventType\n" + "".join(
        "\t".join(map(str, row)) + "\n" for row in rows)
    cards = []
    for name in ("with", "without"):
        point = control_group(tmp_path / name, people=1, minutes=30)
        (point / "h0/day_events.tsv").write_text(
            table if name == "with" else table.splitlines(True)[0])
        assert cli.main(["train", str(cohort / "patients"), str(point),
                         "--out", str(tmp_path / f"m-{name}")]) == 0
        cards.append(json.loads(
            (tmp_path / f"m-{name}/card.json").read_bytes())["data"])
    assert [card["seizures"] for card in cards] == [4, 3]
    assert cards[0]["rows_of_seizures"] == cards[1]["rows_of_seizures"]
    assert cards[0]["rows_learnt_from"] < cards[1]["rows_learnt_from"]


def test_a_single_file_without_annotations_is_no_evidence(cohort, tmp_path):
    assert cli.main(["train", str(cohort / "patients"), str(
        cohort / "calm" / "h0" / "day.beats.csv"),
        "--out", str(tmp_path / "m")]) == 0
    card = json.loads((tmp_path / "m/card.json").read_bytes())
    assert card["data"]["recordings"] == 3
