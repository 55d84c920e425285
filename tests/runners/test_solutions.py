"""Both solutions, as five real gRPC processes and without gRPC."""

import gzip
import json
import re
import socket

import numpy as np
import pytest

from aura import cli
from aura.cli import demo
from aura.detector.model import load_model
from aura.platform import blueprint, repository
from aura.rpc.status import CallFailed
from aura.runners import orchestrator
from aura.runners.processes import LocalProcesses
from aura.settings import Settings
from aura.stages import tables
from tests.edf_builder import File, plus, tal
from tests.patients import content, record

# These may appear only in manifests and in names of files.
FIELDS = {
    "patient": "CANARYcode F 02-MAY-1951 CANARYname",
    "recording": "Startdate 02-MAR-2021 CANARYadmin CANARYtech CANARYdevice",
    "transducer": "CANARYtransducer", "prefilter": "CANARYprefilter",
    "texts": [tal(30, 1, "CANARYnote"), tal(40, None, "CANARY\u00e9")]}


def canary_study(folder):
    """Three patients with names at every place where a name can be."""
    for number in range(1, 4):
        record(folder / f"CANARYfolder{number}" / "CANARYfile.edf",
               seed=number, seizure=(240 + 30 * number, 60), **{
                   **FIELDS, "patient": FIELDS["patient"].replace(
                       "code", f"code{number}")})
    path = folder / "CANARYfolder1" / "CANARYfile.tse_bi"
    path.write_text("version = tse_v1.0.0\n# CANARYcomment\n\n"
                    "0 270 bckg 1\n270 330 seiz 1\n330 600 bckg 1\n")
    broken = folder / "CANARYbroken"
    broken.mkdir()
    whole = plus(texts=FIELDS["texts"], patient=FIELDS["patient"],
                 recording=FIELDS["recording"]).bytes()
    for name, bad in (
            ("cut", whole[:1000]), ("header", whole[:300]),
            ("date", File(patient=FIELDS["patient"],
                          date="CANARY99").bytes()[:700]),
            ("count", File(records="CANARY12").bytes()),
            ("label", File().with_channel(label="EEG CANARYlabel").bytes()),
            ("startdate", plus(
                recording="Startdate 99-CANARY-2021").bytes()[:1000])):
        (broken / f"CANARY{name}.edf").write_bytes(bad)
    (broken / "CANARYnotes.edf").write_bytes(plus().bytes())
    (broken / "CANARYnotes.tse_bi").write_text("CANARYtext\n")


class Platform:
    """Answers and logs of five processes in both solutions."""

    def __init__(self, shared):
        self.shared = shared
        self.answers, self.logs, self.outcomes = [], {}, []
        for name in ("training", "prediction"):
            self._run(blueprint.parse(
                repository.text(f"solutions/{name}.json")))

    def _run(self, plan):
        with LocalProcesses(plan, self.shared, {
                "AURA_BATCH_SIZE": "6"}) as nodes:
            self.outcomes.append(orchestrator.run(
                plan, nodes, lambda rpc, answer: self.answers.append(answer)))
            for node in plan.nodes:
                self.logs[f"{plan.name} {node.name}"] = nodes.log(node.name)

    def of(self, kind):
        return [answer for answer in self.answers
                if type(answer).__name__ == kind]


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    shared = tmp_path_factory.mktemp("platform")
    for name in ("training", "recordings"):
        canary_study(shared / name)
    return Platform(shared)


@pytest.fixture(scope="module")
def in_process(tmp_path_factory):
    """The exit codes of `aura run --in-process`, and the shared folder."""
    shared = tmp_path_factory.mktemp("in-process")
    for name in ("training", "recordings"):
        canary_study(shared / name)
    (shared / "config.toml").write_text("batch_size = 6\n")
    codes = [cli.main(["run", name, "--shared", str(shared), "--in-process"])
             for name in ("training", "prediction")]
    return codes, shared


def test_five_processes_do_the_whole_job(platform):
    assert [outcome.failures for outcome in platform.outcomes] == [[], []]
    report = platform.of("TrainingReport")[-1]
    assert report.done and report.model_path, report.status_text
    assert [batch.record_count for batch in platform.of("EcgBatch")] == [
        0, 3, 0, 3]
    assert platform.of("PredictionTable")[-1].model_id == report.model_id
    assert sum(part.points_written
               for part in platform.of("ExportReport")) > 10_000
    assert len(list(platform.shared.rglob("events/**/*.tsv"))) == 3


def test_every_bad_file_has_its_reason(platform):
    (first, *_) = platform.of("EcgBatch")
    entries = json.loads((platform.shared / first.manifest_path).read_bytes())
    assert {entry["path"].rpartition("/")[2]: entry["problems"][-1]["rule"]
            for entry in entries["recordings"]} == {
        "CANARYcount.edf": "edf.header.number",
        "CANARYcut.edf": "edf.truncated",
        "CANARYdate.edf": "edf.truncated",
        "CANARYheader.edf": "edf.header.truncated",
        "CANARYlabel.edf": "ecg.missing",
        "CANARYnotes.edf": "annotations.syntax"}


def test_messages_are_small(platform):
    assert max(answer.ByteSize() for answer in platform.answers) < 1000


def named(shared):
    """Files of a shared folder by path, without ids of runs."""
    return {re.sub(r"^runs/([a-z]+)-\w+-\w+/", r"\1 run/", path): data
            for path, data in content(shared).items()
            if path.startswith(("runs/", "models/"))}


def test_processes_and_one_process_give_the_same_bytes(platform, in_process):
    codes, shared = in_process
    assert codes == [2, 2]
    one, two = named(platform.shared), named(shared)
    assert one.keys() == two.keys()
    for name in one:
        reports = ("training_report.json", "export_report.json")
        if name.endswith(reports) or "/export/" in name and name.endswith(
                ".json") or "/arrived/" in name:
            continue                         # these contain the run's id
        if name.endswith("arrivals.json"):
            continue            # when each input of these copies was changed
        if name.endswith("card.json"):
            a, b = (json.loads(files[name]) for files in (one, two))
            assert a.pop("created") and b.pop("created")
            assert a == b
        else:
            assert one[name] == two[name], name


def test_no_run_time_or_host_is_in_tables_and_events(platform):
    runs = {answer.run_id for answer in platform.answers}
    forbidden = [*(run.encode() for run in runs - {""}),
                 b"127.0.0.1", str(platform.shared).encode()]
    # A short host name may occur in compressed bytes by chance.
    forbidden += [host for host in [socket.gethostname().encode()]
                  if len(host) > 5]
    for name, data in named(platform.shared).items():
        if name.endswith((".parquet", ".tsv", ".lp.gz", "features.json",
                          "predictions.json", "manifest.json")):
            data = gzip.decompress(data) if name.endswith(".gz") else data
            for text in forbidden:
                assert text not in data, (name, text)


def test_the_model_card_describes_the_training_data(platform):
    report = platform.of("TrainingReport")[-1]
    model = load_model(platform.shared / report.model_path)
    assert model.card["data"]["seizures"] == 3
    assert model.card["data"]["patients"] == 3
    assert model.card["validation"]["pooled"]["seizures"] == 3


def test_no_name_leaves_the_loader(platform):
    """In replies, logs, tables, points and cards there is no canary."""
    texts = [str(answer) for answer in platform.answers] + list(
        platform.logs.values())
    assert all(log for log in platform.logs.values())
    for path, data in named(platform.shared).items():
        by_design = path.endswith((
            "manifest.json", "features.json", "predictions.json",
            "arrivals.json", ".aliases.json"))
        if path.endswith(".lp.gz"):
            data = gzip.decompress(data)
            assert len(data) > 100 or "/0000" in path
        if not by_design:
            texts.append(data.decode("latin-1"))
    assert not [text for text in texts if "canary" in text.lower()]


def test_manifests_hold_paths_and_no_other_name(platform):
    for path, data in named(platform.shared).items():
        if path.endswith((
                "manifest.json", "features.json", "predictions.json")):
            for entry in json.loads(data)["recordings"]:
                del entry["path"]
                source = (entry["recording"] or {}).pop(
                    "annotation_source", None)
                assert source in (
                    None, "EDF+", "CANARYfolder1/CANARYfile.tse_bi")
                # Allowed are labels of channels, and the name of a file of
                # bad annotations.
                text = json.dumps(entry).replace("EEG CANARYlabel", "")
                text = text.replace("annotations CANARYnotes.tse_bi:", "")
                assert "canary" not in text.lower(), text


def test_errors_of_the_blocks_contain_no_name(platform):
    for file in ("beats.parquet", "features.json", "manifest.json"):
        (batch, *_) = platform.shared.glob(f"runs/rec*/batches/0001/{file}")
        batch.write_bytes(b"CANARY")
    plan = blueprint.parse(repository.text("solutions/prediction.json"))
    nodes = orchestrator.InProcess(plan, platform.shared, Settings())
    table = platform.of("FeatureTable")[-1]
    batch = platform.of("EcgBatch")[-1]
    prediction = platform.of("PredictionTable")[-1]
    seen = set()
    for name, request in (("build_features", batch), ("predict", table),
                          ("export", prediction)):
        (rpc,) = [rpc for rpc in plan.rpcs if rpc.name == name]
        for path in (request.manifest_path, "CANARY/gone", "../CANARY"):
            changed = type(request).FromString(request.SerializeToString())
            changed.manifest_path = path
            with pytest.raises(CallFailed) as caught:
                nodes.call(rpc, changed)
            assert "CANARY" not in caught.value.details
            assert str(platform.shared) not in caught.value.details
            seen.add(caught.value.code.name)
    assert seen == {"DATA_LOSS", "FAILED_PRECONDITION", "INVALID_ARGUMENT"}


def test_the_demo_runs_both_solutions_and_draws(
        tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo, "PATIENTS", 2)
    monkeypatch.setattr(demo, "HOURS", 0.2)
    out = tmp_path / "demo"
    assert cli.main(["demo", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert printed.count("SYNTHETIC ECG") == 2
    assert "synthetic02/rec1.edf" in printed
    assert str(out / "pictures") in printed
    assert "not a medical device" in printed
    assert len(list((out / "pictures").rglob("*.png"))) == 2
    (run,) = (out / "shared/runs").glob("recordings-*")
    table = tables.read(
        (run / "batches/0000/predictions.parquet").read_bytes())
    assert np.isfinite(table.values["probability"]).any()
