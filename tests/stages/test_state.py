"""
Malformed state on the shared folder ends in a typed error, or is read.

Each file is changed in many ways: types, missing keys, NaN, long integers,
deep nesting, cut off, not UTF-8. `make soak` has the full count.
"""

import json
import os
import random
from datetime import UTC, datetime

import numpy as np
import pytest
from arro3.core import Array, Schema, Table
from arro3.io import write_parquet

from aura.detector.model import CARD_FILE, MODEL_FILE, load_model
from aura.errors import AuraError
from aura.folder import Folder
from aura.influx.delivery import Delivery
from aura.platform import blueprint, bundle_files, repository
from aura.recording import Event
from aura.review.audit_trail import AuditTrail, Change
from aura.review.scored_events import ScoredEvent
from aura.review.service import ReviewService
from aura.review.worklist import Runs
from aura.runners import local
from aura.settings import Settings
from aura.stages import arrivals, manifest, tables
from aura.stages.influx_exporter import ExportStage, _Batch
from aura.stages.predictor import PredictionStage
from aura.stages.run_layout import Workspace
from aura.stages.trainer import TrainingStage
from tests.patients import record

COUNT = 10_000 if os.environ.get("AURA_SOAK") else 150
LONG = "a long number"
ODD = (None, True, 0, -1, 2.5, "", "x", "1", [], {}, [[]], {"a": 1},
       float("nan"), float("inf"), 10 ** 30, 10 ** 400, "\udcff", LONG)
RUN = "runs/local"


@pytest.fixture(scope="module")
def out(tmp_path_factory, template):
    """What `aura predict` and `aura export` have written."""
    shared, report = template
    folder = tmp_path_factory.mktemp("state")
    record(folder / "data/one.edf", seizure=(300, 60))
    local.predict([folder / "data"], shared / report.model_path,
                  folder / "out", Settings(workers=1))
    local.export(folder / "out", Settings())
    hidden = folder / "out" / local.HIDDEN
    (hidden / "models").mkdir()
    model = hidden / "models" / report.model_id
    model.mkdir()
    for name in (MODEL_FILE, CARD_FILE):
        (model / name).write_bytes(
            (shared / report.model_path / name).read_bytes())
    (hidden / "models/latest.json").write_text(
        json.dumps({"model_id": report.model_id}))
    (hidden / f"{RUN}/arrivals.json").write_text(
        '[[["one.edf", [5, 6]], ["two.edf", null]]]')
    (hidden / f"{RUN}/arrived.json").write_text(
        '{"runId": "a", "batchIndex": 1, "isLast": true}')
    (hidden / f"{RUN}/export/0000.ledger.json").write_text(json.dumps({
        "t": {"digest": "00", "offset": 3, "acknowledged": 1, "rejected": 0,
              "named": ["x"], "done": False, "kept": ""}}))
    (hidden / "config.toml").write_text('hop_s = 2.0\nmodel = "m"\nseed = 3\n')
    trail(hidden).append(Change(0, "Ana", "accept", "p1", note="n"), "m",
                         datetime(2020, 1, 1, tzinfo=UTC))
    (hidden / "blueprint.json").write_text(
        repository.text("solutions/prediction.json"))
    (hidden / "dockerinfo.json").write_text(json.dumps({"docker_info_list": [
        {"container_name": "a", "ip_address": "b", "port": "8061",
         "replicas": True}]}))
    return hidden


def trail(hidden):
    return AuditTrail(
        Folder(hidden), "trail.jsonl",
        [ScoredEvent("p1", "predicted", Event(1.0, 2.0), "")], 600.0, {})


def stage(kind, hidden):
    return kind(Workspace(Folder(hidden), {}), Settings())


def listed(hidden):
    service = ReviewService(Runs(Workspace(Folder(hidden), {}),
                                 Folder(hidden.parent / "reviews")))
    for case in service.listing()["cases"]:
        service.detail(case["key"])
        service.reasons(case["key"])


READERS = {
    f"{RUN}/batches/0000/predictions.json": lambda hidden: (
        listed(hidden), manifest.read(
            Folder(hidden), f"{RUN}/batches/0000/predictions.json")),
    "model.json": listed,
    "inputs.json": lambda hidden: local.export(hidden.parent, Settings()),
    f"{RUN}/export/0000.json": lambda hidden: stage(
        ExportStage, hidden).complete("local"),
    f"{RUN}/export_report.json": lambda hidden: stage(
        ExportStage, hidden).report("local"),
    f"{RUN}/export/0000.aliases.json": lambda hidden: stage(
        ExportStage, hidden)._replaced(_Batch("local", 0), stage(
            ExportStage, hidden)._read(_Batch("local", 0))),
    f"{RUN}/export/0000.ledger.json": lambda hidden: Delivery(
        None, "t", 0).ledger(Folder(hidden), f"{RUN}/export/0000.lp.gz"),
    f"{RUN}/arrivals.json": lambda hidden: arrivals._finished(
        Folder(hidden), "", ""),
    f"{RUN}/arrived.json": lambda hidden: stage(
        TrainingStage, hidden)._arrived(f"{RUN}/arrived.json"),
    "models/latest.json": lambda hidden: stage(
        PredictionStage, hidden).model(),
    "card": lambda hidden: load_model(next(hidden.glob("models/*/"))),
    "config.toml": Settings.load,
    "trail.jsonl": lambda hidden: trail(hidden).items(trail(hidden).steps()),
    "blueprint.json": lambda hidden: blueprint.parse(
        (hidden / "blueprint.json").read_text("utf-8", "replace")),
    "dockerinfo.json": lambda hidden: bundle_files.listed(
        (hidden / "dockerinfo.json").read_text("utf-8", "replace")),
}


def nodes(value):
    """Every place of a JSON value: its holder and its key."""
    for key in (value if isinstance(value, dict)
                else range(len(value)) if isinstance(value, list) else ()):
        yield value, key
        yield from nodes(value[key])


def changed(content, rng):
    """A file with one fault."""
    lines = content.splitlines(keepends=True)
    place = rng.randrange(len(lines)) if content.count(b"}\n{") else None
    part = content if place is None else lines[place]
    how = rng.randrange(8)
    if how == 0:
        return content[:rng.randrange(len(content))]
    if how == 1:
        at = rng.randrange(len(content))
        return content[:at] + rng.choice((b"\xff", b"\0", b"]" * 9)) + content[
            at + 1:]
    try:
        value = json.loads(part)
    except ValueError:
        name, _, _ = rng.choice(part.decode().splitlines()).partition(" =")
        return part + f"\n[x]\n{name} = ".encode() + str(
            rng.choice(ODD)).encode("utf-8", "replace")
    if how == 2:
        return b"[" * 100_000
    holder, key = rng.choice([*nodes([value])])
    if how == 3 and isinstance(holder, dict):
        del holder[key]
    elif holder is value or how > 3:
        holder[key] = rng.choice(ODD)
    # A whole number of 5,000 digits has to be written as text.
    text = json.dumps(value).replace(f'"{LONG}"', "9" * 5000)
    made = text.encode("ascii")
    if place is None:
        return made
    return b"".join([*lines[:place], made + b"\n", *lines[place + 1:]])


@pytest.mark.parametrize("name", READERS)
def test_a_malformed_state_ends_typed(out, name):
    path = (next(out.glob("models/*/card.json")) if name == "card"
            else out / name)
    content, rng = path.read_bytes(), random.Random(name)
    READERS[name](out)
    typed = 0
    try:
        for _ in range(COUNT):
            path.write_bytes(changed(content, rng))
            try:
                READERS[name](out)
            except AuraError as error:
                typed += 1
                assert error.args[2] or error.rule.startswith("blueprint.")
    finally:
        path.write_bytes(content)
    # Reviews and lists of what was done go on without such a file.
    assert typed > COUNT / 5 or name in (
        "model.json", f"{RUN}/export/0000.ledger.json",
        f"{RUN}/arrivals.json")
    READERS[name](out)


def test_malformed_metadata_of_a_table_ends_typed(tmp_path):
    content, rng = b'{"threshold": "0.5", "model_id": "m"}', random.Random(1)
    array, typed = Array.from_numpy(np.arange(3)), 0
    for _ in range(COUNT):
        path = tmp_path / "t.parquet"
        text = changed(content, rng).decode("utf-8", "replace")
        metadata = {tables.METADATA: text.replace("\0", "")}
        write_parquet(Table.from_arrays([array], schema=Schema(
            [array.field.with_name("recording")], metadata=metadata)),
            str(path), key_value_metadata=metadata)
        try:
            tables.read(path.read_bytes()).number("threshold")
        except AuraError as error:
            typed += error.rule in ("table.damaged", "table.metadata")
    assert typed > COUNT / 3
