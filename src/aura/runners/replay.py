"""A recording played to a model as if it were happening now."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from aura import detection, state
from aura.dataset import assemble, find
from aura.detector.model import Model, load_model
from aura.edf.gaps import GappedSignal
from aura.errors import AuraError
from aura.folder import Folder
from aura.recording import Beats, Event, Floats, Recording, Signal
from aura.settings import Settings
from aura.stages.feature_builder import beats_of
from aura.stages.run_layout import Input
from aura.streaming.live_beats import DELAY_S, LiveBeats, Settled
from aura.streaming.stream import Decision, Stream

# A pause is one after three seconds, and is known to be one by then.
BEATS_DELAY_S = 3.0

Steps = Iterator[tuple[float, Callable[[], Settled]]]  # By the time of each


@dataclass
class Replayed:
    recording: Recording
    live: bool  # Whether beats were found as samples arrived
    delay_s: float  # From the end of a second to the decision on it
    events: list[Event] = field(default_factory=list)  # Of the stream
    batch: list[Event] = field(default_factory=list)  # By `aura predict`
    rows: int = 0  # Hops in all
    scorable: int = 0
    scorable_differs: int = 0
    alarm_rows_differ: int = 0
    hop_ms: Floats = field(default_factory=lambda: np.empty(0))  # CPU time

    @property
    def identical(self) -> bool:
        """Whether stream and batch have the same events to the last digit."""
        return self.events == self.batch


def replay(path: Path, model_folder: Path, settings: Settings,
           speed: float = 0.0,
           tell: Callable[[Decision], object] = lambda decision: None,
           delay_s: float = DELAY_S, by_beats: bool = False) -> Replayed:
    """Play one recording to a model, and compare with the batch."""
    if path.is_dir():
        raise state.error("replay.file", path=path)
    model = load_model(model_folder)
    source = Input.named(path)
    found, = find.recordings(source.folder, source.subfolder)
    recording = assemble.recording(
        source.folder, found, settings.ecg_channel, settings.alias_key,
        bool(settings.strict))
    if isinstance(recording, assemble.Refused):
        fault = recording.problems[0]
        raise AuraError(fault.rule, fault.text)
    base = Folder(source.folder.path(source.subfolder).parent)
    beats = beats_of(base, recording)
    with _settling(base, recording, beats, model.hop_s,
                   None if by_beats else delay_s) as (live, steps):
        result = Replayed(recording, live, delay_s if live else BEATS_DELAY_S)
        decisions = _play(Stream(model, settings.adapt_after_h), steps,
                          speed, tell, result)
    _compare(model, settings.adapt_after_h, beats, decisions, result)
    return result


def _play(stream: Stream, steps: Steps, speed: float,
          tell: Callable[[Decision], object],
          result: Replayed) -> list[Decision]:
    began = time.monotonic()
    decisions: list[Decision] = []
    spent = []
    for now_s, settle in steps:
        if speed:
            time.sleep(max(began + now_s / speed - time.monotonic(), 0))
        start = time.thread_time()
        settled = settle()
        made = list(stream.feed(
            settled.beat_s, settled.unscorable, settled.until_s))
        spent.append(time.thread_time() - start)
        for decision in made:
            tell(decision)
        decisions += made
    result.events = stream.close()
    result.hop_ms = 1000 * np.array(spent)
    return decisions


@contextmanager
def _settling(folder: Folder, recording: Recording, beats: Beats, hop_s: float,
              delay_s: float | None) -> Iterator[tuple[bool, Steps]]:
    """Whether it is a live waveform, and what each hop brings."""
    if recording.fs_hz is None or delay_s is None:
        yield False, _of_beats(beats, hop_s)
        return
    with assemble.open_signal(folder, recording) as signal:
        if isinstance(signal, GappedSignal):
            yield False, _of_beats(beats, hop_s)
        else:
            yield True, _of_samples(signal, hop_s, delay_s)


def _of_samples(signal: Signal, hop_s: float, delay_s: float) -> Steps:
    live = LiveBeats(signal.fs_hz, signal.rails, delay_s)
    at, count, number = 0, signal.sample_count, 0
    while at < count:
        number += 1
        stop = min(round(number * hop_s * signal.fs_hz), count)
        samples = signal.read(at, stop)
        yield stop / signal.fs_hz, partial(live.feed, samples, stop == count)
        at = stop


def _of_beats(beats: Beats, hop_s: float) -> Steps:
    before_s = 0.0
    count = int(np.ceil(beats.duration_s / hop_s))
    for number in range(1, count + 1):
        end_s = beats.duration_s if number == count else number * hop_s
        at, stop = np.searchsorted(
            beats.time_s, [before_s, end_s], side="right")
        new = beats.time_s[at if number > 1 else 0:stop]
        spans = np.clip(beats.unscorable, before_s, end_s)
        spans = spans[spans[:, 1] > spans[:, 0]]
        yield end_s + BEATS_DELAY_S, partial(Settled, new, spans, end_s)
        before_s = end_s


def _compare(model: Model, adapt_after_h: float, beats: Beats,
             decisions: list[Decision], result: Replayed) -> None:
    found = detection.detect(beats, model, adapt_after_h=adapt_after_h)
    result.batch = list(found.events)
    result.rows = len(found.smoothed)
    ours = np.array([one.smoothed for one in decisions])[:result.rows]
    theirs = found.smoothed[:len(ours)]
    result.scorable = int(np.isfinite(ours).sum())
    result.scorable_differs = int(np.sum(
        np.isfinite(ours) != np.isfinite(theirs)))
    both = np.isfinite(ours) & np.isfinite(theirs)
    result.alarm_rows_differ = int(np.sum(
        (ours[both] >= found.threshold) != (theirs[both] >= found.threshold)))
