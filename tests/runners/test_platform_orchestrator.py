"""
Both bundles under an imitation of the platform's orchestrator.

The five blocks run as processes, one set for all tests of this file, in the
order of a user: a prediction without a model, a training, the same again,
predictions. `platform_orchestrator` describes the imitation.
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from aura import cli
from aura.blocks import BLOCKS
from aura.folder import PARTIAL
from aura.rpc import aura_pb2, binding
from aura.synthetic.cohort import write_cohort
from tests.runners.installation import Bundle, Served
from tests.runners.platform_orchestrator import Orchestrator, Refused, merge

BIGGEST_MESSAGE = 100_000
# Statuses that a block may give for a message that it cannot use.
REFUSALS = {"INVALID_ARGUMENT", "FAILED_PRECONDITION", "DATA_LOSS"}


def until(true, seconds=120):
    """Wait for something, as long as a busy machine may take."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def finished(*orchestrators, seconds=120):
    """Wait for the end of all runs, which the platform does not report."""
    deadline = time.monotonic() + seconds
    for orchestrator in orchestrators:
        # A message may be between two queues: quiet twice is quiet.
        quiet = 0
        while quiet < 2:
            quiet = quiet + 1 if orchestrator.is_idle else 0
            assert time.monotonic() < deadline, "the run hangs"
            time.sleep(0.05)


def run(bundle):
    """Run a bundle in an orchestrator of its own."""
    orchestrator = Orchestrator()
    orchestrator.initialize(*bundle)
    orchestrator.run()
    finished(orchestrator)
    return orchestrator


def run_again(orchestrator, bundle):
    """Initialize and run the same orchestrator once more."""
    orchestrator.initialize(*bundle)
    orchestrator.run()
    finished(orchestrator)


def counts(orchestrator):
    """Answers of each rpc."""
    return {thread.operation: len(thread.answers)
            for thread in orchestrator.threads}


def errors(orchestrator):
    """Status of each rpc that ended with an error."""
    return {thread.operation: thread.status
            for thread in orchestrator.threads if thread.error}


def events_of(shared, run_id):
    """Digest of each event file of a run."""
    folder = shared / "runs" / run_id / "events"
    return {path.relative_to(folder).as_posix():
            hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*.tsv")}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A shared folder with synthetic patients."""
    shared = tmp_path_factory.mktemp("volume") / "sharedfolder1"
    write_cohort(shared / "training", patients=2, hours=0.12, seed=1)
    write_cohort(shared / "recordings", patients=2, hours=0.12, seed=2)
    return shared


@pytest.fixture(scope="module")
def served(shared):
    """All five blocks; the same processes for all tests of a module."""
    running = {block.name: Served(block.name, shared) for block in BLOCKS}
    yield {name: block.port for name, block in running.items()}
    assert [block.close() for block in running.values()] == [0] * len(BLOCKS)


@pytest.fixture(scope="module")
def bundles(served, tmp_path_factory):
    """Both bundles, by the solution's name."""
    folder = tmp_path_factory.mktemp("bundles")
    for name in ("training", "prediction"):
        assert cli.main(["solution", "bundle", name, "--registry", "aura",
                         "--tag", "dev", "--out", str(folder / name)]) == 0
    return {name: Bundle(folder / name, served)
            for name in ("training", "prediction")}


@pytest.fixture
def serve(shared):
    """Start one block on a folder: ``serve(name, folder)``."""
    running = []

    def start(name, folder, **options):
        running.append(Served(name, folder, **options))
        return running[-1]

    yield start
    for block in running:
        block.close()


@pytest.fixture(scope="session")
def unprivileged():
    """A command that takes away root's right to write everywhere."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root writes everywhere, and there is no setpriv")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


@pytest.fixture(scope="module")
def without_model(bundles):
    """The prediction solution before anything was trained."""
    return run(bundles["prediction"])


@pytest.fixture(scope="module")
def trained(without_model, bundles):
    """The training solution, with its reports of two runs."""
    orchestrator = run(bundles["training"])
    reports = [orchestrator.named("train").answers]
    run_again(orchestrator, bundles["training"])
    return orchestrator, [*reports, orchestrator.named("train").answers]


@pytest.fixture(scope="module")
def predicted(trained, bundles, shared):
    """The prediction solution, run twice, with the events of each run."""
    orchestrator = run(bundles["prediction"])
    found = [events_of(shared, orchestrator.named("export").answers[0].run_id)]
    run_again(orchestrator, bundles["prediction"])
    return orchestrator, [*found, events_of(
        shared, orchestrator.named("export").answers[0].run_id)]


def test_without_a_model_only_the_predictor_and_what_follows_it_fail(
        without_model):
    assert counts(without_model) == {
        "load_recordings": 2, "build_features": 2, "predict": 0, "export": 0}
    error = without_model.named("predict").error
    assert error.code().name == "FAILED_PRECONDITION"
    assert error.details().startswith("seizure-predictor.model.missing: ")


def test_a_training_writes_a_model(trained, shared):
    orchestrator, (reports, _) = trained
    assert [report.done for report in reports] == [False, True]
    assert reports[-1].model_path == f"models/{reports[-1].model_id}"
    assert (shared / reports[-1].model_path / "model.npy").is_file()
    assert (shared / "runs" / reports[-1].run_id / "DONE").is_file()


def test_only_the_source_ends_and_with_not_found(trained):
    assert errors(trained[0]) == {"load_training": "NOT_FOUND"}


def test_the_loader_rewinds_and_the_second_run_gives_the_same_model(trained):
    first, second = trained[1]
    assert first[-1].run_id != second[-1].run_id
    assert len(first) == len(second) == 2
    assert first[-1].model_id == second[-1].model_id != ""


def test_predictions_follow_in_processes_that_had_failed_before(predicted):
    orchestrator, (first, second) = predicted
    assert errors(orchestrator) == {"load_recordings": "NOT_FOUND"}
    assert counts(orchestrator) == dict.fromkeys(
        ("load_recordings", "build_features", "predict", "export"), 2)
    assert len(first) == 2
    assert first == second


def test_messages_keep_their_order(predicted):
    for thread in predicted[0].threads:
        assert [answer.batch_index for answer in thread.answers] == [0, 1]
        assert [answer.is_last for answer in thread.answers] == [False, True]


def test_messages_are_small_even_as_text(trained, predicted):
    for orchestrator in (trained[0], predicted[0]):
        assert len(orchestrator.events) > 8
        assert max(map(len, orchestrator.events)) < BIGGEST_MESSAGE


def test_two_solutions_can_run_on_one_folder(predicted, bundles, shared):
    solutions = [Orchestrator(), Orchestrator()]
    for orchestrator, name in zip(solutions, ("training", "prediction")):
        orchestrator.initialize(*bundles[name])
    for orchestrator in solutions:
        orchestrator.run()
    finished(*solutions)
    training, prediction = solutions
    assert errors(training) == {"load_training": "NOT_FOUND"}
    assert errors(prediction) == {"load_recordings": "NOT_FOUND"}
    assert training.named("train").answers[-1].done
    assert events_of(shared, prediction.named("export").answers[0].run_id) \
        == predicted[1][0]


@pytest.mark.parametrize("how", ["--connect", "--in-process"])
def test_aura_run_gives_the_same_events_on_the_same_bundle(
        how, predicted, bundles, shared, monkeypatch):
    monkeypatch.setenv("AURA_BATCH_SIZE", "1")
    bundle = bundles["prediction"]
    known = set((shared / "runs").iterdir())
    given = [how, str(bundle.dockerinfo)] if how == "--connect" else [how]
    assert cli.main(["run", str(bundle.folder), "--shared", str(shared),
                     *given]) == 0
    run_folder, = set((shared / "runs").iterdir()) - known
    assert events_of(shared, run_folder.name) == predicted[1][0]


def test_another_blocks_message_is_refused_clearly(predicted, served):
    answers = {thread.operation: thread.answers[0]
               for thread in predicted[0].threads}
    messages = {type(answer).DESCRIPTOR.name: answer.SerializeToString()
                for answer in answers.values()}
    for block in BLOCKS:
        with grpc.insecure_channel(f"127.0.0.1:{served[block.name]}") as at:
            service = aura_pb2.DESCRIPTOR.services_by_name[block.service]
            stub = binding.stub(block.service, at)
            for method in service.methods:
                kind = getattr(aura_pb2, method.input_type.name)
                # To a source any message is Empty with fields it ignores.
                for name in messages.keys() - {kind.DESCRIPTOR.name}:
                    if kind is aura_pb2.Empty:
                        continue
                    with pytest.raises(grpc.RpcError) as caught:
                        getattr(stub, method.name)(
                            kind.FromString(messages[name]), timeout=30)
                    assert caught.value.code().name in REFUSALS, (
                        block.name, name, caught.value.details())
                    assert caught.value.details().startswith(block.name)


def elsewhere(bundle, block, port):
    """A bundle that uses another server for a block."""
    blueprint, dockerinfo, protos = bundle
    content = json.loads(dockerinfo)
    for entry in content["docker_info_list"]:
        if entry["container_name"] == f"{block}1":
            entry["port"] = port
    return blueprint, json.dumps(content), protos


def test_a_missing_shared_folder_fails_the_first_call(
        bundles, serve, tmp_path):
    loader = serve("ecg-loader", tmp_path / "away")
    error = run(elsewhere(bundles["training"], "ecg-loader", loader.port)
                ).named("load_training").error
    assert error.code().name == "FAILED_PRECONDITION"
    assert error.details().startswith("ecg-loader.loader.no_folder: ")
    assert str(tmp_path) not in error.details()


def test_a_read_only_shared_folder_fails_the_first_call(
        shared, bundles, serve, tmp_path, unprivileged):
    folder = tmp_path / "read-only"
    shutil.copytree(shared / "training", folder / "training")
    folder.chmod(0o555)
    loader = serve("ecg-loader", folder, prefix=unprivileged)
    with grpc.insecure_channel(f"127.0.0.1:{loader.port}") as channel:
        with pytest.raises(grpc.RpcError) as caught:
            binding.stub("EcgLoader", channel).load_training(
                aura_pb2.Empty(), timeout=30)
    folder.chmod(0o755)
    assert caught.value.code().name == "FAILED_PRECONDITION"
    assert "disk.unwritable" in caught.value.details()
    assert str(tmp_path) not in caught.value.details()


def test_a_shared_folder_without_permission_fails_calls_until_it_is_given(
        shared, serve, tmp_path, unprivileged):
    folder = tmp_path / "closed"
    shutil.copytree(shared / "training", folder / "training")
    folder.chmod(0)
    loader = serve("ecg-loader", folder, prefix=unprivileged)
    with grpc.insecure_channel(f"127.0.0.1:{loader.port}") as channel:
        stub = binding.stub("EcgLoader", channel)
        health = health_pb2_grpc.HealthStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.load_training(aura_pb2.Empty(), timeout=60)
        assert caught.value.code().name == "FAILED_PRECONDITION"
        assert caught.value.details().startswith(
            "ecg-loader.shared.forbidden: ")
        assert health.Check(health_pb2.HealthCheckRequest(
            service="EcgLoader")).status == (
                health_pb2.HealthCheckResponse.NOT_SERVING)
        folder.chmod(0o755)
        until(lambda: health.Check(health_pb2.HealthCheckRequest(
            service="EcgLoader")).status == (
                health_pb2.HealthCheckResponse.SERVING))
        assert stub.load_training(
            aura_pb2.Empty(), timeout=60).record_count == 1
    assert loader.close() == 0


def test_files_of_a_killed_run_do_not_affect_the_next(
        predicted, bundles, shared, serve):
    known = set((shared / "runs").iterdir())
    builder = serve("feature-builder", shared)
    bundle = elsewhere(bundles["prediction"], "feature-builder", builder.port)
    builder.process.send_signal(signal.SIGSTOP)
    orchestrator = Orchestrator()
    orchestrator.initialize(*bundle)
    orchestrator.run()
    until(lambda: orchestrator.named("load_recordings").error)
    stale, = set((shared / "runs").iterdir()) - known
    builder.process.kill()
    finished(orchestrator)
    assert errors(orchestrator)["build_features"] == "UNAVAILABLE"
    assert counts(orchestrator)["build_features"] == 0
    for name in ("features.parquet", f"{PARTIAL}1", "predictions.json"):
        (stale / f"batches/0000/{name}").write_bytes(b"half of it")
    serve("feature-builder", shared, AURA_PORT=str(builder.port)).port
    run_again(orchestrator, bundle)
    assert errors(orchestrator) == {"load_recordings": "NOT_FOUND"}
    run_id = orchestrator.named("export").answers[-1].run_id
    assert events_of(shared, run_id) == predicted[1][0]
    assert (shared / "runs" / run_id / "DONE").exists()
    assert not (stale / "DONE").exists()


@pytest.fixture
def small_disk(shared, tmp_path):
    """A folder with 12 kB of space in runs/, and a command that sees it."""
    folder = tmp_path / "small"
    shutil.copytree(shared / "training", folder / "training")
    (folder / "runs").mkdir()
    # Mounted only for these processes; it ends with the last of them.
    keeper = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=12k none '
         '"$0" && echo mounted && exec cat', folder / "runs"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True)
    with keeper:
        if keeper.stdout.readline() != "mounted\n":
            pytest.skip("this user may not mount a small disk")
        yield folder, ["nsenter", "--mount", f"--target={keeper.pid}"]
        keeper.stdin.close()


@pytest.mark.skipif(shutil.which("unshare") is None,
                    reason="there are no namespaces to mount a disk in")
def test_a_full_disk_fails_a_run_and_the_next_is_complete(
        bundles, serve, small_disk):
    folder, inside = small_disk
    loader, builder = (serve(name, folder, prefix=inside)
                       for name in ("ecg-loader", "feature-builder"))
    bundle = bundles["training"]
    for name, port in (("ecg-loader", loader.port), ("seizure-trainer", "1"),
                       ("feature-builder", builder.port)):
        bundle = elsewhere(bundle, name, port)
    orchestrator = run(bundle)
    failure, = (error for thread in orchestrator.threads
                if (error := thread.error)
                and error.code().name != "NOT_FOUND")
    assert failure.code().name == "RESOURCE_EXHAUSTED"
    assert ".disk.full: " in failure.details()
    subprocess.run([*inside, "mount", "-o", "remount,size=64m",
                    folder / "runs"], check=True)
    run_again(orchestrator, bundle)
    assert counts(orchestrator)["build_features"] == 2
    assert errors(orchestrator)["load_training"] == "NOT_FOUND"
    left = subprocess.run([*inside, "find", folder / "runs", "-type", "f"],
                          check=True, capture_output=True, text=True).stdout
    assert left.count("features.parquet") == 2 and PARTIAL not in left


def test_a_block_that_does_not_listen_is_out_for_the_run(bundles, trained):
    orchestrator = run(
        elsewhere(bundles["prediction"], "influx-exporter", "1"))
    assert errors(orchestrator)["export"] == "UNAVAILABLE"
    assert counts(orchestrator)["build_features"] == 2


@pytest.mark.parametrize("change, message", [
    (lambda b, d, p: p.pop("ecg-loader1.proto"), None),
    (lambda b, d, p: d["docker_info_list"].pop(0), "not present"),
    (lambda b, d, p: d["docker_info_list"].append(
        d["docker_info_list"][0]), "duplicate"),
    (lambda b, d, p: p.update({"ecg-loader1.proto": p[
        "ecg-loader1.proto"].replace("ecg_hours", "hours")}), "different"),
    (lambda b, d, p: b["nodes"][-1]["operation_signature_list"][0][
        "connected_to"].append({
            "container_name": "ecg-loader1", "operation_signature": {
                "operation_name": "load_recordings"}}), "type Empty"),
], ids=["no proto", "no address", "address twice", "clash", "Empty wiring"])
def test_what_the_orchestrator_refuses_the_check_finds(
        change, message, bundles, tmp_path, capsys):
    blueprint, dockerinfo, protos = bundles["prediction"]
    content = [json.loads(blueprint), json.loads(dockerinfo), dict(protos)]
    change(*content)
    with pytest.raises((Refused, TypeError, KeyError), match=message):
        Orchestrator().initialize(
            json.dumps(content[0]), json.dumps(content[1]), content[2])
    folder = tmp_path / "bundle"
    shutil.copytree(bundles["prediction"].folder, folder)
    (folder / "blueprint.json").write_text(json.dumps(content[0]))
    (folder / "dockerinfo.json").write_text(json.dumps(content[1]))
    shutil.rmtree(folder / "microservice")
    (folder / "microservice").mkdir()
    for name, text in content[2].items():
        (folder / "microservice" / name).write_text(text)
    assert cli.main(["solution", "check", str(folder)]) == 1
    assert "ecg-loader1" in capsys.readouterr().out


def test_the_merged_file_is_proto2_as_the_platform_makes_it(bundles):
    _, _, protos = bundles["prediction"]
    assert merge(protos).syntax == ""
