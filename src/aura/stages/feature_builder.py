"""The feature-builder: a batch of recordings becomes tables of numbers."""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from queue import SimpleQueue

import numpy as np

from aura import detection, state
from aura.dataset import assemble
from aura.ecg import features, rr
from aura.ecg.features import FeatureRows, near_points, seizure_fraction
from aura.errors import Problem
from aura.folder import Folder, problem_of
from aura.recording import MIN_RATE_HZ, Beats, Floats, Recording
from aura.rpc.aura_pb2 import EcgBatch, FeatureTable
from aura.stages import manifest, tables
from aura.stages.manifest import Entry, Signals
from aura.stages.run_layout import Stage, batch_file, place_of
from aura.stages.table_rules import WINDOW

POOR_SHARE = 0.5
# Memory grows by 2 MB for each hour that is being built or waits.
AHEAD_S = 24 * 3600.0
# The first part of each table: it has the columns, and no rows.
NO_BEATS = Beats(np.empty(0), 0.0)
NO_ROWS = FeatureRows(np.empty(0), np.empty(
    (0, len(features.NAMES)), np.float32), np.empty(0, dtype=bool))


@dataclass(frozen=True)
class _Built:
    number: int
    recording: Recording
    beats: Beats
    rows: FeatureRows


class FeatureStage(Stage):
    def build(self, request: EcgBatch) -> FeatureTable:
        """Build the tables of one batch; refuse what cannot be read."""
        hop_s = self._settings.hop_s
        batch = manifest.read(self._folder, request.manifest_path)
        entries = list(batch.entries)
        beats: SimpleQueue[tables.Columns | None] = SimpleQueue()
        beats.put(_beat_part(0, NO_BEATS))
        labelled_rows = 0

        def rows() -> Iterator[tables.Columns]:
            nonlocal labelled_rows
            yield _feature_part(0, NO_ROWS, NO_ROWS.time_s, hop_s)
            for number, outcome in self._build_all(batch):
                if isinstance(outcome, Problem):
                    entries[number] = entries[number].refuse(outcome)
                    continue
                entries[number] = _described(entries[number], outcome, hop_s)
                beats.put(_beat_part(number, outcome.beats))
                label = _labels(outcome.recording, outcome.rows.time_s, hop_s)
                labelled_rows += int(np.isfinite(label).sum())
                yield _feature_part(number, outcome.rows, label, hop_s)
                del outcome

        names = {name: batch_file(request.run_id, request.batch_index, name)
                 for name in ("beats.parquet", "features.parquet",
                              "features.json")}
        self._write(batch, names, rows(), beats)
        manifest.write(self._folder, names["features.json"],
                       batch.with_entries(entries))
        return FeatureTable(
            **place_of(request),
            table_path=names["features.parquet"],
            schema_id=features.SCHEMA_ID,
            row_count=sum(one.signals.rows for one in entries if one.signals),
            labelled_rows=labelled_rows,
            manifest_path=names["features.json"],
            status_text=manifest.status_text(entries))

    def _write(self, batch: manifest.Manifest, names: Mapping[str, str],
               rows: Iterable[tables.Columns],
               beats: "SimpleQueue[tables.Columns | None]") -> None:
        """Write both tables at once, so that no recording is kept."""
        expected = math.fsum(one.duration_s for _, one in batch.recordings)

        def write(name: str, parts: Iterable[tables.Columns]) -> None:
            with self._folder.replace(names[name]) as stream:
                tables.write(stream, parts, expected / self._settings.hop_s)

        with ThreadPoolExecutor(1) as beside:
            written = beside.submit(
                write, "beats.parquet", iter(beats.get, None))
            try:
                write("features.parquet", rows)
            finally:
                beats.put(None)
            written.result()

    def _build_all(self, batch: manifest.Manifest) -> Iterator[
            tuple[int, "_Built | Problem"]]:
        folder = self._workspace.input_of(batch.input)
        waiting: deque[tuple[int, float, Future[_Built | Problem]]] = deque()
        room_s = AHEAD_S * self._settings.threads
        with ThreadPoolExecutor(self._settings.threads) as pool:
            for number, recording in batch.recordings:
                # A recording that is longer than the room is built alone.
                while waiting and recording.duration_s > room_s:
                    done, length_s, job = waiting.popleft()
                    yield done, job.result()
                    del job
                    room_s += length_s
                waiting.append((number, recording.duration_s, pool.submit(
                    self._build_one, folder, number, recording)))
                room_s -= recording.duration_s
            for done, _, job in waiting:
                yield done, job.result()

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
        rate_hz = recording.fs_hz or 0.0
        yield state.problem(
            "signal.unscorable/rate" if 0 < rate_hz < MIN_RATE_HZ else
            "signal.unscorable/short" if duration_s < 20 else
            "signal.unscorable",
            rate=rate_hz, least=MIN_RATE_HZ, seconds=duration_s)
    # The very first window has to fill, which is no fault of the signal.
    elif scorable_s < POOR_SHARE * (duration_s - features.SHORT_S):
        yield state.problem(
            "signal.poor", scorable=scorable_s, seconds=duration_s)


def _beat_part(number: int, beats: Beats) -> tables.Columns:
    series = rr.rr_series(beats)
    first = np.full(min(len(beats.time_s), 1), np.nan)
    return tables.Columns(
        {"recording": np.full(len(beats.time_s), number, np.int32),
         "time_s": beats.time_s,
         "rr_s": np.concatenate([first, series.rr_s]),
         "kind": np.concatenate([
             np.full(len(first), rr.Kind.ARTEFACT, np.int8), series.kind])},
        {"time_s": "s", "rr_s": "s"},
        {"kinds": ", ".join(f"{kind.value} {kind.name.lower()}"
                            for kind in rr.Kind)})


def _labels(recording: Recording, time_s: Floats, hop_s: float) -> Floats:
    """Share of each row that is seizure; NaN where that is not known."""
    if not (recording.annotated and recording.understood):
        return np.full(len(time_s), np.nan)
    return np.where(near_points(recording.events, time_s), np.nan,
                    seizure_fraction(recording.events, time_s, hop_s))


def _feature_part(number: int, rows: FeatureRows, label: Floats,
                  hop_s: float) -> tables.Columns:
    named = rows.columns()
    return tables.Columns(
        {"recording": np.full(len(label), number, np.int32),
         "time_s": named.pop("time_s"), "scorable": named.pop("scorable"),
         "label": label.astype(np.float32), **named},
        {"time_s": "s", "label": "1",
         **{feature.name: feature.unit for feature in features.SCHEMA}},
        {"schema_id": features.SCHEMA_ID, "hop_s": repr(hop_s),
         **{WINDOW + one.name: one.window for one in features.SCHEMA}})
