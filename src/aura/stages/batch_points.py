"""The points of a batch: the results of all earlier stages, with aliases."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from aura import state
from aura.dataset import assemble
from aura.dataset.patients import alias
from aura.ecg import features, rr
from aura.errors import Problem
from aura.folder import problem_of
from aura.influx import points, schema
from aura.influx.points import Series
from aura.recording import Event, Floats, Recording
from aura.rpc.aura_pb2 import PredictionTable
from aura.scoring.matching import agree
from aura.scoring.score import score
from aura.settings import Settings
from aura.stages import manifest, table_rules
from aura.stages.manifest import Entry, Manifest, Signals
from aura.stages.run_layout import Workspace, batch_file
from aura.stages.tables import Columns

Values = Mapping[str, np.ndarray]

RAW = ("events", "all", "none")
ALL_FEATURES = "all"


@dataclass(frozen=True)
class Choice:
    zone: ZoneInfo  # Time zone of the recordings' clocks
    raw: str  # One of `RAW`: the samples to export besides the rollups
    features: tuple[str, ...]  # The features to export, or `ANY`

    @classmethod
    def of(cls, settings: Settings) -> "Choice":
        if settings.export_raw not in RAW:
            raise state.error(
                "settings.value/raw", found=settings.export_raw[:60])
        return cls(_zone(settings.timezone), settings.export_raw,
                   _features(settings.export_features))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise state.error("settings.timezone", name=name[:60]) from None


def _features(text: str) -> tuple[str, ...]:
    if text.strip() == ALL_FEATURES:
        return (table_rules.ANY,)
    names = tuple(filter(None, (name.strip() for name in text.split(","))))
    unknown = [name for name in names if name not in features.NAMES]
    if unknown:
        raise state.error(
            "settings.value/features", name=unknown[0][:60], all=ALL_FEATURES)
    return names


class Alias(msgspec.Struct, frozen=True):
    """A recording by the names in the store; its times are in the store's."""

    path: str
    patient: str
    recording: str
    start_ns: int
    end_ns: int


class BatchPoints:
    """The points of one batch, counted as they are read."""

    def __init__(self, workspace: Workspace, settings: Settings,
                 request: PredictionTable) -> None:
        folder = workspace.folder
        self.written = 0
        self.left_out: list[tuple[str, Problem]] = []
        self.names: list[Alias] = []
        self._choice = Choice.of(settings)
        self._alias_key = settings.alias_key
        self._request = request
        self._manifest: Manifest = manifest.read(folder, request.manifest_path)
        self._input = workspace.input_of(self._manifest.input)
        beside = (request.run_id, request.batch_index)
        self._tables = [
            table_rules.check(folder, path, name, self._manifest, (
                *table_rules.KEYS, *columns)) for name, path, columns in (
                ("beats", batch_file(*beside, "beats.parquet"),
                 ("rr_s", "kind")),
                ("features", batch_file(*beside, "features.parquet"),
                 dict.fromkeys((
                     "scorable", "mean_hr", "hr_base", "hr_over_p95",
                     *self._choice.features))),
                ("predictions", request.table_path, ("smoothed",)))]
        self._features = self._choice.features
        if table_rules.ANY in self._features:
            # Another version may have other features.
            self._features = tuple(one.name for one in table_rules.features_of(
                self._tables[1].head))

    @property
    def status_text(self) -> str:
        text = manifest.status_text(self._manifest.entries)
        if self.left_out:
            text += f", {len(self.left_out)} not exported"
        return text

    def lines(self) -> Iterator[bytes]:
        """Yield line protocol; count lines and list recordings left out."""
        for (number, recording), *rows in zip(
                self._manifest.recordings,
                *(table.each() for table in self._tables), strict=True):
            entry = self._manifest.entries[number]
            try:
                for text in self._recording(entry, recording, rows):
                    self.written += text.count(b"\n")
                    yield text
            except Exception as error:
                self.left_out.append((entry.path, problem_of(error)))

    def _recording(self, entry: Entry, recording: Recording,
                   rows: Sequence[Columns]) -> Iterator[bytes]:
        series = Series(
            recording.patient,
            alias("r", recording.path, self._alias_key),
            points.start_ns(recording.start, self._choice.zone),
            self._request.model_id)
        # Rather leave out all of a recording than its last points.
        series.check(recording.duration_s)
        signals = entry.signals or Signals(0, 0, (), 0.0)
        yield from self._waveform(series, recording, entry.predicted or ())
        yield from self._rows(series, *(one.values for one in rows))
        yield points.unscorable(series, signals.unscorable)
        yield points.events(series, schema.ORIGINAL, recording.events)
        # Without a prediction, no seizure counts as missed.
        if entry.predicted is not None:
            yield from self._outcome(
                series, recording, entry.predicted, signals.scorable_s)
        # Last: a recording whose file cannot be read must not be listed.
        yield points.recording(
            series, recording, beats=signals.beats,
            scorable_s=signals.scorable_s, unscorable=signals.unscorable)
        self.names.append(Alias(
            recording.path, series.patient, series.recording, series.start_ns,
            series.start_ns + round(
                recording.duration_s * schema.SECOND_NS)))

    def _waveform(self, series: Series, recording: Recording,
                  predicted: tuple[Event, ...]) -> Iterator[bytes]:
        if recording.fs_hz is None:
            return
        spans: Floats = np.array([[0.0, recording.duration_s]])
        if self._choice.raw == "events":
            spans = points.around(
                (*recording.events, *predicted), recording.duration_s)
        elif self._choice.raw == "none":
            spans = spans[:0]
        with assemble.open_signal(self._input, recording) as signal:
            yield from points.ecg(series, signal, recording.channel)
            yield from points.raw(series, signal, recording.channel, spans)

    def _rows(self, series: Series, beats: Values, rows: Values,
              scores: Values) -> Iterator[bytes]:
        yield from points.beats(
            series, beats["time_s"], beats["rr_s"],
            beats["kind"] == rr.Kind.NORMAL)
        yield from points.heart_rate(
            series, rows["time_s"], rows["mean_hr"], rows["hr_base"],
            rows["hr_over_p95"])
        yield from points.features(series, rows["time_s"], {
            name: rows[name] for name in self._features})
        yield from points.quality(series, rows["time_s"], rows["scorable"])
        yield from points.probability(
            series, scores["time_s"], scores["smoothed"],
            self._request.threshold)

    def _outcome(self, series: Series, recording: Recording,
                 predicted: tuple[Event, ...],
                 scorable_s: float) -> Iterator[bytes]:
        """Predicted events, compared with annotated ones if there are any."""
        right = counted = None
        if recording.annotated:
            found = agree(recording.events, predicted, recording.duration_s)
            right = found.right
            counted = score(recording.events, predicted, recording.duration_s)
            yield points.agreement(series, found)
        yield points.events(series, schema.PREDICTED, predicted, right)
        yield points.score(
            series, duration_s=recording.duration_s, scorable_s=scorable_s,
            alarms=len(predicted), threshold=self._request.threshold,
            counted=counted)
