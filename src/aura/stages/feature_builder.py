"""The feature-builder: a batch of recordings becomes tables of numbers."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from aura import detection
from aura.dataset import assemble
from aura.ecg import features, rr
from aura.ecg.beats import MIN_RATE_HZ
from aura.ecg.features import FeatureRows, near_points, seizure_fraction
from aura.errors import Problem
from aura.folder import Folder, problem_of
from aura.recording import Beats, Floats, Recording
from aura.rpc.aura_pb2 import EcgBatch, FeatureTable
from aura.stages import manifest, tables
from aura.stages.manifest import Entry, Signals
from aura.stages.run_layout import Stage, batch_file, place_of

POOR_SHARE = 0.5


@dataclass(frozen=True)
class _Built:
    number: int
    recording: Recording
    beats: Beats
    rows: FeatureRows


class FeatureStage(Stage):
    def build(self, request: EcgBatch) -> FeatureTable:
        """Build the tables of one batch; refuse what cannot be read."""
        folder = self._folder
        batch = manifest.read(folder, request.manifest_path)
        entries = list(batch.entries)
        built: list[_Built] = []
        for number, outcome in self._build_all(batch):
            if isinstance(outcome, Problem):
                entries[number] = entries[number].refuse(outcome)
            else:
                built.append(outcome)
                entries[number] = _described(
                    entries[number], outcome, self._settings.hop_s)
        names = {name: batch_file(request.run_id, request.batch_index, name)
                 for name in ("beats.parquet", "features.parquet",
                              "features.json")}
        _write(folder, names["beats.parquet"], _beat_table(built))
        table = _feature_table(built, self._settings.hop_s)
        _write(folder, names["features.parquet"], table)
        manifest.write(folder, names["features.json"],
                       batch.with_entries(entries))
        return FeatureTable(
            **place_of(request),
            table_path=names["features.parquet"],
            schema_id=features.SCHEMA_ID, row_count=len(table),
            labelled_rows=int(np.isfinite(table.values["label"]).sum()),
            manifest_path=names["features.json"],
            status_text=manifest.status_text(entries))

    def _build_all(self, batch: manifest.Manifest) -> Iterator[
            tuple[int, "_Built | Problem"]]:
        folder = self._workspace.input_of(batch.input)
        with ThreadPoolExecutor(self._settings.threads) as pool:
            yield from pool.map(
                lambda item: (item[0], self._build_one(folder, *item)),
                batch.recordings)

    def _build_one(self, folder: Folder, number: int,
                   recording: Recording) -> "_Built | Problem":
        try:
            beats = beats_of(folder, recording)
            return _Built(number, recording, beats,
                          features.build(beats, self._settings.hop_s))
        except Exception as error:
            return problem_of(error)


def beats_of(folder: Folder, recording: Recording) -> Beats:
    """The beats of a recording, found in its waveform or read from it."""
    if recording.fs_hz is None:
        return assemble.beats(folder, recording)
    with assemble.open_signal(folder, recording) as signal:
        return detection.find_beats(signal)


def _described(entry: Entry, built: _Built, hop_s: float) -> Entry:
    scorable_s = float(built.rows.scorable.sum() * hop_s)
    signals = Signals(
        len(built.rows.time_s), len(built.beats.time_s),
        tuple(built.beats.spans()), scorable_s)
    return replace(entry, signals=signals, problems=(
        *entry.problems, *doubts(built.recording, scorable_s)))


def doubts(recording: Recording, scorable_s: float) -> Iterator[Problem]:
    """Warn where little or nothing of a recording can be scored."""
    duration_s = recording.duration_s
    if scorable_s == 0:
        fs_hz = recording.fs_hz or 0.0
        slow = 0 < fs_hz < MIN_RATE_HZ
        yield Problem(
            "signal.unscorable", "warning", "nothing of this recording can "
            "be scored: " + (
                f"it is sampled at {fs_hz:g} Hz, R peaks need at least "
                f"{MIN_RATE_HZ:g}" if slow else
                f"it lasts {duration_s:g} s only" if duration_s < 20 else
                "no beats can be trusted in it"))
    # The very first window has to fill, which is no fault of the signal.
    elif scorable_s < POOR_SHARE * (duration_s - features.SHORT_S):
        yield Problem(
            "signal.poor", "warning", f"only {scorable_s:.0f} of "
            f"{duration_s:.0f} s can be scored; the rest is flat, railed or "
            "too noisy")


def _beat_table(built: list[_Built]) -> tables.Columns:
    numbers, times, intervals, kinds = [], [], [], []
    for one in built:
        series = rr.rr_series(one.beats)
        first = np.full(min(len(one.beats.time_s), 1), np.nan)
        numbers.append(np.full(len(one.beats.time_s), one.number, np.int32))
        times.append(one.beats.time_s)
        intervals.append(np.concatenate([first, series.rr_s]))
        kinds.append(np.concatenate([
            np.full(len(first), rr.Kind.ARTEFACT, np.int8), series.kind]))
    return tables.Columns(
        {"recording": _joined(numbers, np.int32),
         "time_s": _joined(times, np.float64),
         "rr_s": _joined(intervals, np.float64),
         "kind": _joined(kinds, np.int8)},
        {"time_s": "s", "rr_s": "s"},
        {"kinds": ", ".join(f"{kind.value} {kind.name.lower()}"
                            for kind in rr.Kind)})


def _labels(recording: Recording, time_s: Floats, hop_s: float) -> Floats:
    """Share of each row that is seizure; NaN where that is not known."""
    if not (recording.annotated and recording.understood):
        return np.full(len(time_s), np.nan)
    return np.where(near_points(recording.events, time_s), np.nan,
                    seizure_fraction(recording.events, time_s, hop_s))


def _feature_table(built: list[_Built], hop_s: float) -> tables.Columns:
    numbers, labels = [], []
    for one in built:
        count = len(one.rows.time_s)
        numbers.append(np.full(count, one.number, np.int32))
        labels.append(_labels(one.recording, one.rows.time_s, hop_s))
    columns = {
        "recording": _joined(numbers, np.int32),
        "time_s": _joined([one.rows.time_s for one in built], np.float64),
        "scorable": _joined([one.rows.scorable for one in built], np.bool_),
        "label": _joined(labels, np.float64).astype(np.float32)}
    for place, feature in enumerate(features.SCHEMA):
        columns[feature.name] = _joined(
            [one.rows.values[:, place] for one in built], np.float32)
    return tables.Columns(
        columns,
        {"time_s": "s", "label": "1",
         **{feature.name: feature.unit for feature in features.SCHEMA}},
        {"schema_id": features.SCHEMA_ID, "hop_s": repr(hop_s)})


def _joined(parts: list[np.ndarray], kind: type) -> np.ndarray:
    return np.concatenate([np.empty(0, kind), *parts])


def _write(folder: Folder, path: str, table: tables.Columns) -> None:
    with folder.replace(path) as stream:
        tables.write(stream, table)
