"""
Tiny servicers of the five services, for tests of servers and runners.

As a script with a block's name it serves that block, like `aura serve`. The
batch that the builder gets contains its task.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path

from aura import blocks, errors
from aura.rpc import server
from aura.rpc.aura_pb2 import (
    EcgBatch,
    ExportReport,
    FeatureTable,
    PredictionTable,
    TrainingReport,
)

CANARY = "/data/shared/training/Mueller_Anna_19701231/s1.edf"


def wait_for_file(path):
    """Wait until somebody has made a file."""
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.01)


class Loader:
    """Hands out TOY_COUNT batches, raises EndOfData, and starts again."""

    def __init__(self):
        self.count = int(os.environ.get("TOY_COUNT", "5"))
        self.task = os.environ.get("TOY_TASK", "")
        self.index = 0
        self.lock = threading.Lock()

    def load_training(self, request, context):
        with self.lock:
            if self.index == self.count:
                self.index = 0
                raise errors.EndOfData()
            self.index += 1
            return EcgBatch(
                run_id="r", batch_index=self.index - 1,
                batch_count=self.count, is_last=self.index == self.count,
                manifest_path=self.task)

    load_recordings = load_training

    def ready(self):
        return True


class Builder:
    """Does the task in ``manifest_path``."""

    tries = calls = 0
    lock = threading.Lock()

    def build_features(self, request, context):
        self.calls += 1
        if os.environ.get("TOY_DIES_AT_CALL") == str(self.calls):
            os.kill(os.getpid(), signal.SIGKILL)
        task, _, argument = request.manifest_path.partition(":")
        getattr(self, f"do_{task or 'nothing'}")(argument, request)
        return FeatureTable(
            run_id=request.run_id, batch_index=request.batch_index,
            batch_count=request.batch_count, is_last=request.is_last,
            table_path=f"runs/{request.batch_index:04d}",
            status_text=request.status_text)

    def do_nothing(self, argument, request):
        pass

    def do_sleep(self, argument, request):
        time.sleep(float(argument))

    def do_alone(self, argument, request):
        with self.lock:
            time.sleep(float(argument))

    def do_single(self, argument, request):
        if not self.lock.acquire(blocking=False):
            raise errors.PreconditionError("toy.two", "two calls at once")
        try:
            time.sleep(float(argument))
        finally:
            self.lock.release()

    def do_wait(self, argument, request):
        wait_for_file(Path(argument))

    def do_sleep_at(self, argument, request):
        index, seconds = argument.split(",")
        if request.batch_index == int(index):
            time.sleep(float(seconds))

    def do_touch(self, argument, request):
        name, seconds = argument.split(",")
        Path(name + ".begun").touch()
        time.sleep(float(seconds))
        Path(name + ".ended").touch()

    def do_raise(self, argument, request):
        kind = getattr(errors, argument)
        raise kind() if kind is errors.EndOfData else kind(
            "some.rule", request.status_text, "fix it")

    def do_leak(self, argument, request):
        try:
            open(CANARY)
        except OSError as error:
            raise ValueError(CANARY) from error

    def do_exit(self, argument, request):
        sys.exit(3)

    def do_exhaust(self, argument, request):
        raise MemoryError

    def do_die_at(self, argument, request):
        if request.batch_index == int(argument):
            os.kill(os.getpid(), signal.SIGKILL)

    def do_fail_at(self, argument, request):
        if request.batch_index == int(argument):
            raise errors.PreconditionError("some.rule", "it must change")

    def do_away_at(self, argument, request):
        index, times = map(int, argument.split(","))
        if request.batch_index == index and self.tries < times:
            self.tries += 1
            raise errors.UnavailableError("some.rule", "back soon")

    def ready(self):
        return Path(os.environ.get("TOY_NEEDS", "/")).exists()


class Trainer:
    """Reports once, like the real one, that the run is complete."""

    def __init__(self):
        self.seen = []

    def train(self, request, context):
        self.seen.append(request.batch_index)
        if not request.is_last:
            return TrainingReport(run_id=request.run_id)
        order, self.seen = self.seen, []
        return TrainingReport(
            run_id=request.run_id, done=True, train_rows=len(order),
            status_text="in order" if order == sorted(order) else "mixed up")

    def ready(self):
        return True


class Predictor:
    """Passes its message on."""

    def predict(self, request, context):
        return PredictionTable(
            run_id=request.run_id, batch_index=request.batch_index,
            table_path=request.table_path, threshold=0.5)

    def ready(self):
        return True


class Exporter:
    """Reports the message that it got."""

    def export(self, request, context):
        return ExportReport(
            run_id=request.run_id, batch_index=request.batch_index,
            report_path=request.table_path)

    def ready(self):
        return True


TOYS = {"ecg-loader": Loader, "feature-builder": Builder,
        "seizure-trainer": Trainer, "seizure-predictor": Predictor,
        "influx-exporter": Exporter}


def make_toy(block):
    """The toy of a block."""
    return TOYS[block.name]()


def toy_command(block):
    """The command that serves a toy."""
    return [sys.executable, "-u", __file__, block.name]


def main():
    """Serve a toy; TOY_START delays it, or makes it fail."""
    block = blocks.named(sys.argv[1])
    start = os.environ.get("TOY_START", "0")

    def make():
        needed = start.removeprefix("needs ")
        if needed != start:
            if not Path(needed).exists():
                raise errors.InvalidInputError("toy.start", "nothing works")
            return make_toy(block)
        awaited = start.removeprefix("waits for ")
        if awaited != start:
            wait_for_file(Path(awaited))
        elif start == "crash":
            raise ValueError(CANARY)
        else:
            time.sleep(float(start))
        return make_toy(block)

    return server.serve(block, make)


if __name__ == "__main__":
    sys.exit(main())
