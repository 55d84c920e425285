"""Two thousand recordings, and real ones."""

import json

import numpy as np
import pytest

from aura import cli
from aura.detector.model import load_model, save_model
from aura.recording import Event
from aura.scoring import score as score_module
from aura.stages.run_layout import MODELS
from tests.chain import Chain
from tests.edf_builder import Channel, File, heart

MANY = 2000
MESSAGE_BYTES = 100_000


def test_messages_of_two_thousand_recordings_are_small(template, tmp_path):
    shared, report = template
    content = File((Channel(digital=heart(2, 64)),)).bytes()
    for number in range(MANY):
        folder = tmp_path / "recordings" / f"a-long-name-{number // 100:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        # Every third is damaged, so that statuses have something to say.
        (folder / f"{number:04d}.edf").write_bytes(
            content[:-number] if number % 3 == 1 else content)
    save_model(tmp_path / MODELS / "m",
               load_model(shared / report.model_path))
    chain = Chain(tmp_path, batch_size=500, strict=1, model=str(
        tmp_path / MODELS / "m"))
    seen = 0
    for batch in chain.batches():
        table = chain.features.build(batch)
        prediction = chain.predictor.predict(table)
        export = chain.exporter.export(prediction)
        for message in (batch, table, prediction, export):
            assert message.ByteSize() < 1000 < MESSAGE_BYTES
        seen += batch.record_count
    assert batch.batch_count == MANY // 500
    assert seen == MANY - len(range(1, MANY, 3))


@pytest.fixture(scope="module")
def szdb(data_dir, tmp_path_factory):
    """`aura train` and `aura predict` on real recordings, by one user."""
    folder = data_dir / "szdb"
    if not folder.is_dir():
        pytest.skip(f"no szdb in {data_dir}")
    out = tmp_path_factory.mktemp("szdb")
    assert cli.main(["train", str(folder), "--out", str(out / "m")]) == 0
    assert cli.main(["predict", str(folder), "--model", str(out / "m"),
                     "--out", str(out / "p")]) == 0
    return folder, out


def test_real_patients_left_out_are_scored_against_one_line(szdb):
    _, out = szdb
    card = json.loads((out / "m/card.json").read_bytes())
    found = card["validation"]
    mine, other = found["pooled"], found["one_line_rule"]
    no_worse = (mine["found"] >= other["found"]
                and mine["false_alarms"] <= other["false_alarms"])
    assert found["verdict"].startswith("No worse than") == no_worse
    assert mine["seizures"] == card["data"]["seizures"] == sum(
        score["seizures"] for score in found["patients"].values())
    assert len(found["patients"]) == card["data"]["patients"]
    assert mine["sensitivity"]["low"] < mine["sensitivity"]["value"] \
        <= mine["sensitivity"]["high"]


def test_real_predictions_score_as_counted_by_hand(szdb, capsys):
    folder, out = szdb
    capsys.readouterr()
    assert cli.main(["score", str(folder), str(out / "p"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["pooled"]["events"]
    assert [str(path.relative_to(folder).with_suffix(".tsv"))
            for path in sorted(folder.rglob("*.edf"))] == [
        str(path.relative_to(out / "p"))
        for path in sorted((out / "p").rglob("*.tsv"))]
    entries = [entry for path in sorted((out / "p").rglob(
        ".aura/**/predictions.json")) for entry in json.loads(
            path.read_bytes())["recordings"]]
    scores = [score_module.score(
        *([scoring_event(event) for event in events] for events in (
            entry["recording"]["events"], entry["predicted"])),
        entry["recording"]["duration_s"]) for entry in entries]
    pooled = score_module.pool(scores).events
    assert (told["tp"], told["fp"], told["ref_true"]) == (
        pooled.tp, pooled.fp, pooled.ref_true)
    # The model has seen them all: less would be a fault of the chain.
    assert pooled.tp >= np.ceil(pooled.ref_true / 2)


def scoring_event(content):
    return Event(round(content["onset_s"], 2), round(
        content["duration_s"], 2), content["label"])
