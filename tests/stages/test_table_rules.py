"""A table of another block is taken, sorted, or refused by a rule."""

from pathlib import Path

import numpy as np
import pytest

from aura.ecg import features, rr
from aura.errors import CorruptDataError
from aura.rpc.aura_pb2 import PredictionTable
from aura.stages import batch_points, manifest, table_rules, tables
from aura.stages.run_layout import batch_file

ROOT = Path(__file__).parents[2]


def changed(chain, path, change):
    """Rewrite a table of a run."""
    folder = chain.workspace.folder
    old = tables.read(folder.read(path))
    new = change(dict(old.values))
    metadata = {**old.metadata, **new.pop("metadata", {})}
    with folder.replace(path) as stream:
        tables.write(stream, [tables.Columns(new, old.units, metadata)])


def put(name, value, rows=slice(0, 1)):
    def change(columns):
        columns[name] = columns[name].copy()
        columns[name][rows] = value
        return columns
    return change


def cast(name, kind):
    return lambda columns: {**columns, name: columns[name].astype(kind)}


def rows(chosen):
    return lambda columns: {
        name: column[chosen(len(column))] for name, column in columns.items()}


def shuffled(count):
    return np.random.default_rng(1).permutation(count)


BROKEN = [
    ("columns", lambda columns: {
        name: column for name, column in columns.items()
        if name != "scorable"}),
    ("type", cast("scorable", np.int8)),
    ("type", cast("recording", np.float64)),
    ("type", cast("time_s", np.bool_)),
    ("type", cast("hr_rise", np.bool_)),
    ("value", put("hr_rise", np.inf)),
    ("value", put("time_s", np.nan)),
    ("recording", put("recording", 99, slice(-1, None))),
    ("recording", put("recording", -1)),
    ("rows", put("recording", 1, slice(0, 600))),
    ("rows", put("time_s", 0.0)),
    ("rows", rows(lambda count: np.r_[0, np.arange(count)])),
    ("rows", rows(lambda count: np.arange(count // 2))),
    ("rows", rows(lambda count: np.arange(0))),
    ("metadata", lambda columns: {**columns, "metadata": {"hop_s": "0"}}),
    ("metadata", lambda columns: {**columns, "metadata": {"hop_s": "x"}})]


@pytest.mark.parametrize(("rule", "change"), BROKEN)
def test_a_table_that_breaks_a_rule_is_refused(trained, rule, change):
    (table, _) = trained.tables()
    changed(trained, table.table_path, change)
    for call in (trained.predictor.predict, trained.trainer.train):
        with pytest.raises(CorruptDataError) as caught:
            table.batch_count = 1
            call(table)
        assert caught.value.rule == f"table.{rule}"


def test_the_predictor_checks_columns_that_it_does_not_use(trained):
    (table, _) = trained.tables()
    changed(trained, table.table_path, put("label", 1.5))
    with pytest.raises(CorruptDataError, match="table.value"):
        trained.predictor.predict(table)


@pytest.mark.parametrize("change", [
    rows(shuffled), rows(lambda count: np.arange(count)[::-1]),
    cast("recording", np.int64), cast("hr_rise", np.float64)])
def test_another_order_or_a_wider_type_changes_no_prediction(
        trained, change):
    folder = trained.workspace.folder
    (table, _) = trained.tables()

    def predicted():
        done = trained.predictor.predict(table)
        return (folder.read(done.table_path), folder.read(done.manifest_path))

    before = predicted()
    changed(trained, table.table_path, change)
    assert predicted() == before


@pytest.mark.parametrize(("name", "rule", "change"), [
    ("beats", "type", cast("kind", np.float32)),
    ("beats", "value", put("kind", 7)),
    ("beats", "value", put("rr_s", -1.0)),
    ("beats", "rows", put("time_s", -5.0)),
    ("beats", "rows", put("time_s", 1e6, slice(-1, None))),
    ("features", "rows", rows(lambda count: np.arange(count // 2))),
    ("predictions", "value", put("smoothed", 2.0)),
    ("predictions", "rows", rows(lambda count: np.arange(1, count)))])
def test_the_exporter_checks_each_table(trained, name, rule, change):
    (table, _) = trained.tables()
    done = trained.predictor.predict(table)
    changed(trained, batch_file(
        done.run_id, done.batch_index, f"{name}.parquet"), change)
    with pytest.raises(CorruptDataError) as caught:
        batch_points.BatchPoints(trained.workspace, trained.settings, done)
    assert caught.value.rule == f"table.{rule}"


@pytest.mark.parametrize("size", [1, 50, 10 ** 6])
@pytest.mark.parametrize("shuffled", [False, True])
def test_recordings_are_the_same_however_a_table_is_read(
        trained, monkeypatch, size, shuffled):
    (table, *_) = trained.tables()
    folder = trained.workspace.folder
    batch = manifest.read(folder, table.manifest_path)
    whole = tables.read(folder.read(table.table_path))
    if shuffled:
        order = np.random.default_rng(1).permutation(len(whole))
        with folder.replace(table.table_path) as stream:
            tables.write(stream, [whole.rows(order)])
    monkeypatch.setattr(tables, "ROWS_AT_ONCE", size)
    checked = table_rules.check(folder, table.table_path, "features", batch)
    assert checked.in_order != shuffled and checked.count == len(whole)
    names = ("recording", "time_s", "hr_rise", "scorable")
    found = list(checked.each(names))
    assert len(found) == len(batch.recordings) > 1
    for (number, _), rows in zip(batch.recordings, found):
        for name in names:
            assert np.array_equal(rows.values[name], whole.of(number)[name],
                                  equal_nan=True)


def test_the_docs_have_each_column():
    page = (ROOT / "docs/features.md").read_text("utf-8")
    for name, about in table_rules.RULES.items():
        for column, rule in about["columns"].items():
            shown = "each feature" if column == "*" else f"`{column}`"
            assert (f"| `{name}` | {shown} | {rule['type']} | "
                    f"{rule.get('unit', '')} | {rule['text']} |") in page


def test_the_rules_are_those_of_what_the_stages_write(trained):
    (table, _) = trained.tables()
    done = trained.predictor.predict(table)
    assert isinstance(done, PredictionTable)
    batch = manifest.read(trained.workspace.folder, done.manifest_path)
    for name, about in table_rules.RULES.items():
        path = batch_file(done.run_id, done.batch_index, f"{name}.parquet")
        stored = tables.read(trained.workspace.folder.read(path))
        for column, values in stored.values.items():
            rule = about["columns"].get(column) or about["columns"]["*"]
            assert values.dtype == rule["type"]
            assert column in features.NAMES or (
                stored.units[column] == rule.get("unit", ""))
        checked = table_rules.check(
            trained.workspace.folder, path, name, batch)
        assert checked.count == len(stored)
    kind = table_rules.RULES["beats"]["columns"]["kind"]
    assert (kind["low"], kind["high"]) == (min(rr.Kind), max(rr.Kind))
