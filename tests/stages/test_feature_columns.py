"""Tables and models of a version with other features, by columns in use."""

import gzip
import hashlib
import json
from dataclasses import replace

import pytest

from aura.detector.model import load_model, save_model
from aura.ecg import features
from aura.errors import AuraError, CorruptDataError, PreconditionError
from aura.stages import tables
from aura.stages.table_rules import WINDOW

# Tables and models of this schema have no windows.
EARLIER_ID = "aura-features-f96a2239dd5f"
OTHER_ID = "aura-features-000000000000"


def windows(table):
    return {key: text for key, text in table.metadata.items()
            if key.startswith(WINDOW)}


def without(name):
    """A table from before a feature was added, or with one fewer."""
    def change(table):
        return replace(
            table, values={one: column for one, column in table.values.items()
                           if one != name},
            metadata={"hop_s": table.metadata["hop_s"], "schema_id": OTHER_ID,
                      **windows(table)})
    return change


def with_another(part, name, text):
    def change(table):
        changed = without("csi")(table)
        if part == "unit":
            return replace(changed, units={**changed.units, name: text})
        return replace(changed, metadata={
            **changed.metadata, WINDOW + name: text})
    return change


def bare(schema_id):
    """A table without windows."""
    def change(table):
        return replace(table, metadata={
            "hop_s": table.metadata["hop_s"], "schema_id": schema_id})
    return change


def rewrite(chain, request, change):
    path = chain.shared / request.table_path
    changed = change(tables.read(path.read_bytes()))
    with path.open("wb") as stream:
        tables.write(stream, [changed])
    request.schema_id = changed.metadata["schema_id"]


def rewritten(chain, change):
    """The feature tables of a run, each changed."""
    requests = chain.tables()
    for request in requests:
        rewrite(chain, request, change)
    return requests


@pytest.mark.parametrize("change", [
    without("csi"), without("hr_slope_30"), bare(EARLIER_ID),
    bare(features.SCHEMA_ID), with_another("unit", "sampen", "%"),
    with_another("window", "lf", "an hour")])
def test_a_table_is_used_whose_other_columns_differ(trained, change):
    model = trained.shared / trained.report.model_path
    expected = [trained.predictor.predict(table).seizure_windows
                for table in trained.tables()]
    requests = rewritten(trained, change)
    assert [trained.predictor.predict(table).seizure_windows
            for table in requests] == expected
    done = [trained.trainer.train(table) for table in requests][-1]
    assert done.done and done.model_id == load_model(model).model_id


@pytest.mark.parametrize("change, named", [
    (without("hr_rise"), "hr_rise"),
    (with_another("unit", "hr_over_p95", "1/min"), "hr_over_p95 is '1/min,"),
    (with_another("window", "hr_rise", "an hour"), "hr_rise is 'bpm, an hour"),
    (bare(OTHER_ID), "hr_rise is 'bpm, unknown'")])
def test_a_table_whose_columns_in_use_differ_is_refused(
        trained, change, named):
    requests = rewritten(trained, change)
    for call, rule in ((trained.predictor.predict, "model.schema"),
                       (trained.trainer.train, "train.schema")):
        with pytest.raises(AuraError) as caught:
            call(requests[0])
        assert named in caught.value.text
        if caught.value.rule != "table.columns":
            assert caught.value.rule == rule
            assert OTHER_ID in caught.value.text
            assert features.SCHEMA_ID in caught.value.text
    assert not (trained.shared / "runs/run/arrived").exists()


@pytest.mark.parametrize("schema_id, card, wrong", [
    (OTHER_ID, {}, False), (EARLIER_ID, {"feature_windows": {}}, False),
    (OTHER_ID, {"feature_windows": {}}, True),
    (OTHER_ID, {"feature_windows": {"hr_rise": "an hour"}}, True)])
def test_a_model_of_another_version_is_used_if_its_columns_are_there(
        trained, schema_id, card, wrong):
    good = load_model(trained.shared / trained.report.model_path)
    save_model(trained.shared / "other", replace(
        good, schema_id=schema_id, card={**good.card, **card}))
    stage = trained.with_settings(
        model=str(trained.shared / "other")).predictor
    (table, _) = trained.tables()
    expected = trained.predictor.predict(table)
    if wrong:
        with pytest.raises(PreconditionError, match="model.schema"):
            stage.predict(table)
    else:
        assert stage.predict(
            table).seizure_windows == expected.seizure_windows


@pytest.mark.parametrize("field", [3, ["hr_rise"], {"hr_rise": 10}])
def test_windows_of_a_card_are_texts(trained, field):
    folder = trained.shared / trained.report.model_path
    card = json.loads((folder / "card.json").read_text("utf-8"))
    (folder / "card.json").write_text(json.dumps(
        {**card, "feature_windows": field}), "utf-8")
    with pytest.raises(CorruptDataError, match="model.card"):
        load_model(folder)


@pytest.mark.parametrize("chosen, names", [
    ("all", [name for name in features.NAMES if name != "csi"]),
    ("sampen, hr_rise", ["sampen", "hr_rise"])])
def test_features_of_an_older_run_are_exported(trained, chosen, names):
    (request, _) = rewritten(trained, without("csi"))
    stage = trained.with_settings(export_features=chosen).exporter
    stage.export(trained.predictor.predict(request))
    [path] = (trained.shared / "runs/run/export").glob("*.lp.gz")
    lines = [line for line in gzip.decompress(
        path.read_bytes()).decode().splitlines()
        if line.startswith("feature,")]
    found = {field.split("=")[0] for line in lines
             for field in line.split(" ")[1].split(",")}
    assert lines and found == {*names}


def test_a_feature_that_is_not_in_the_table_is_asked_for(trained):
    (request, _) = rewritten(trained, without("csi"))
    stage = trained.with_settings(export_features="csi").exporter
    with pytest.raises(CorruptDataError, match="no column csi"):
        stage.export(trained.predictor.predict(request))


def test_the_earlier_schema_is_the_one_of_its_id():
    [(schema_id, known)] = features.EARLIER.items()
    listed = [[name, one["unit"], one["window"]]
              for name, one in known.items()]
    assert schema_id == EARLIER_ID == "aura-features-" + hashlib.sha256(
        json.dumps(listed).encode()).hexdigest()[:12]
