"""Full disks and killed processes: old or new, never half."""

import contextlib
import gzip
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from aura.detector.model import load_model
from aura.errors import AuraError, PreconditionError, ResourceError
from aura.folder import PARTIAL
from aura.stages import tables
from tests.chain import Chain
from tests.patients import content

SOAK = bool(os.environ.get("AURA_SOAK"))
KILLS = 200 if SOAK else 4
SIZES = [64 * 2 ** n for n in range(15)] if SOAK else [5_000]


@contextlib.contextmanager
def largest_file(size):
    """No file can grow beyond a size, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def check_whole(folder):
    """Every file that has its name is complete; there are none half."""
    models = set()
    for path in folder.rglob("*"):
        if not path.is_file() or path.name.startswith(PARTIAL):
            continue
        data = path.read_bytes()
        if path.suffix == ".json":
            json.loads(data)
        elif path.suffix == ".parquet":
            tables.read(data)
        elif path.suffix == ".gz":
            gzip.decompress(data)
        elif path.suffix == ".tsv":
            lines = data.decode().splitlines()
            assert data.endswith(b"\n") and len(lines) >= 2
            assert {line.count("\t") for line in lines} == {6}
        elif path.name == "card.json":
            models.add(path.parent)
    for model in models:
        load_model(model)


def partials(folder):
    return list(folder.rglob(f"{PARTIAL}*"))


@pytest.mark.parametrize("size", SIZES)
def test_a_full_disk_is_said_and_leaves_what_was_there(trained, size):
    trained.predict()
    before = content(trained.shared)
    tables_of = trained.tables("training", "train")
    predictions = [trained.predictor.predict(table)
                   for table in trained.tables()]
    steps = [
        lambda: trained.source().next(),
        lambda: trained.features.build(trained.batches()[0]),
        lambda: trained.predictor.predict(trained.tables()[0]),
        lambda: trained.exporter.export(predictions[0]),
        lambda: [trained.trainer.train(table) for table in tables_of]]
    # Something else would be written than what is there.
    shutil.rmtree(trained.shared / "models")
    full = 0
    for step in steps:
        with largest_file(size):
            try:
                step()
            except ResourceError as error:
                assert error.rule == "disk.full"
                full += 1
            except AuraError as error:
                # The model is gone until the last step has made it again.
                assert error.rule == "model.missing"
    assert full >= (1 if size < 100_000 else 0)
    assert not partials(trained.shared)
    after = content(trained.shared)
    assert {path: data for path, data in after.items()
            if not path.startswith("models/")
            and not path.endswith("training_report.json")} == {
        path: data for path, data in before.items()
        if not path.startswith("models/")
        and not path.endswith("training_report.json")}
    # With space again all is well.
    assert trained.train().model_id == trained.report.model_id
    trained.predict()
    check_whole(trained.shared)


def test_a_folder_that_cannot_be_written_is_a_precondition(trained):
    batches, features = trained.batches(), trained.tables("training", "t")
    (predictions, _) = [trained.predictor.predict(table)
                        for table in trained.tables()]
    shutil.rmtree(trained.shared / "runs/run/batches/0001")
    (trained.shared / "runs/run/batches/0001").write_bytes(b"")
    (trained.shared / "runs/run/export").write_bytes(b"")
    (trained.shared / "runs/t/arrived").write_bytes(b"")
    predictions.batch_index = 0
    for call, request in ((trained.exporter.export, predictions),
                          (trained.trainer.train, features[0])):
        with pytest.raises(PreconditionError, match="disk.unwritable"):
            call(request)
    source = trained.source()
    source.next()
    with pytest.raises(PreconditionError, match="disk.unwritable"):
        source.next()
    assert batches and not partials(trained.shared)


WORK = """
import sys
from pathlib import Path
from aura.detector import forest
from aura.runners import local
from aura.settings import Settings
forest.TREES = 10
study, out, verb, model = sys.argv[1:]
print("ready", flush=True)
while True:
    if verb == "train":
        local.train([Path(study)], Path(out), Settings())
    else:
        local.predict([Path(study)], Path(model), Path(out), Settings())
    print("done", flush=True)
"""

SHARED_WORK = """
import sys
from pathlib import Path
from tests.chain import Chain
from aura.detector import forest
forest.TREES = 10
chain = Chain(Path(sys.argv[1]), batch_size=1)
print("ready", flush=True)
while True:
    chain.train("train")
    chain.predict("run")
    print("done", flush=True)
"""


def killed(code, *arguments, longest_s):
    """Start work, wait until it is ready, kill it some time later."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(random.uniform(0, longest_s))
    process.send_signal(signal.SIGKILL)
    done = process.stdout.read().count("done")
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()
    return done


@pytest.mark.parametrize("verb", ["train", "predict"])
def test_a_kill_leaves_whole_files_and_the_next_run_is_right(
        recordings, template, tmp_path, verb):
    shared, report = template
    out = tmp_path / "out"
    for _ in range(max(KILLS // 4, 1)):
        killed(WORK, recordings, out, verb, shared / report.model_path,
               longest_s=2)
        if out.exists():
            check_whole(out)


def test_a_kill_on_the_shared_folder_is_mended_by_the_next_run(
        trained, tmp_path):
    reference = content(trained.shared)
    for _ in range(max(KILLS // 2, 1)):
        killed(SHARED_WORK, trained.shared, longest_s=2)
        check_whole(trained.shared)
    chain = Chain(trained.shared)
    shutil.rmtree(trained.shared / "runs")
    assert chain.train().model_id == trained.report.model_id
    after = content(trained.shared)
    assert {path for path in after if PARTIAL not in path} == set(reference)
    for path in reference:
        if not path.endswith(("card.json", "_report.json")):
            assert after[path] == reference[path], path


def test_what_a_killed_writer_left_is_swept_after_an_hour(chain):
    old, new = (chain.shared / f"{PARTIAL}{name}" for name in ("1", "2"))
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    chain.source().next()
    assert partials(chain.shared) == [new]


def test_a_finished_run_holds_nothing_of_a_killed_writer(trained):
    for run, finish in (("train", trained.train), ("run", trained.predict)):
        left = trained.shared / f"runs/{run}/batches/0001/{PARTIAL}1"
        other = trained.shared / f"runs/other/batches/0000/{PARTIAL}1"
        for path in (left, other):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"half")
        finish()
        assert (trained.shared / f"runs/{run}/DONE").exists()
        assert partials(trained.shared) == [other]


def test_the_same_call_several_times_at_once_sweeps_nobody(trained):
    (first, last) = [trained.predictor.predict(table)
                     for table in trained.tables()]
    trained.exporter.export(first)
    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(trained.exporter.export, 40 * [last]))
    assert {report.points_rejected for report in reports} == {0}
    assert not partials(trained.shared)


def test_a_run_that_is_finished_by_another_process_sweeps_nobody(trained):
    folder = trained.workspace.folder
    with folder.replace("runs/run/report.json") as stream:
        stream.write(b"half of it")
        subprocess.run([
            sys.executable, "-c", "import sys\n"
            "from pathlib import Path\n"
            "from aura.folder import Folder\n"
            "Folder(Path(sys.argv[1])).sweep(older_s=0)", folder.root],
            check=True)
    assert folder.read("runs/run/report.json") == b"half of it"
