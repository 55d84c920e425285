"""
One recording, from its bytes to what the stages need to know of it.

`examine` takes everything together: the header guard, EDF+ annotations and
gaps, the annotations beside the file, the choice of the ECG channel and the
patient's alias; of a recording without a waveform its beats. A file that
breaks its format is *refused* with the rule it breaks; one that is only
short or poor in signal is a recording with warnings.
"""

import contextlib
import hashlib
import os
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, BinaryIO

from aura.dataset import beat_files, ground_truth
from aura.dataset.ecg_channel import choose
from aura.dataset.find import ECG, Candidate
from aura.dataset.ground_truth import Frame
from aura.dataset.patients import alias, patient_identity
from aura.ecg import quality
from aura.edf import gaps
from aura.edf.gaps import GappedSignal
from aura.edf.header import Header, read_at, read_header
from aura.edf.signal import EcgSignal
from aura.edf.tal import read_timeline
from aura.errors import AuraError, CorruptDataError, Problem
from aura.folder import Folder
from aura.recording import Beats, Recording

SHORT_S = 60.0
# Of recordings that do not say when they were made.
NO_DATE = datetime(2000, 1, 1)


@dataclass(frozen=True)
class Refused:
    """An input that is not a recording that can be used, and why."""

    path: str  # Location relative to the input folder; printable
    # Of level ``error``. Only a second way to a folder that is read anyway has
    # a mere warning (see `aura.dataset.find`).
    problems: tuple[Problem, ...]


def examine(folder: Folder, candidate: Candidate, ecg_channel: str = "",
            alias_key: str = "aura") -> Recording | Refused:
    """Read all that is to be known of a recording but its signal."""
    return _examine(folder, candidate, ecg_channel, alias_key)[0]


def report(folder: Folder, candidate: Candidate, ecg_channel: str = "",
           alias_key: str = "aura") -> dict[str, Any]:
    """What `aura inspect` says of one input, fit for JSON."""
    outcome, qualities = _examine(folder, candidate, ecg_channel, alias_key)
    known = outcome if isinstance(outcome, Recording) else None
    events = known.events if known else ()
    return {
        "path": outcome.path,
        "status": "ok" if known else "refused",
        "channels": list(known.channels) if known else [],
        "chosen": known.channel if known else None,
        "fs_hz": known.fs_hz if known else None,
        "duration_s": known.duration_s if known else None,
        "annotations": {
            "source": known.annotation_source if known else None,
            "count": len(events),
            "seizures": [{"onset_s": event.onset_s,
                          "duration_s": event.duration_s,
                          "label": event.label} for event in events]},
        "quality": qualities,
        "problems": [{"rule": problem.rule, "level": problem.level,
                      "text": problem.text} for problem in outcome.problems],
    }


@contextlib.contextmanager
def open_signal(folder: Folder, recording: Recording,
                path: str = "") -> Iterator[EcgSignal | GappedSignal]:
    """Open the ECG of a recording that `examine` has returned."""
    with folder.open(path or recording.path) as stream:
        header = read_header(stream)
        labels = tuple(signal.label for signal in header.signals)
        if labels != recording.channels:
            raise _changed()
        signal = _opened(stream, header, recording.channel_index)
        duration_s = (signal.duration_s if isinstance(signal, GappedSignal)
                      else float(header.duration_s))
        if (signal.fs_hz, duration_s) != (
                recording.fs_hz, recording.duration_s):
            raise _changed()
        yield signal


def read_beats(folder: Folder, recording: Recording) -> Beats:
    """The beats of a recording without a waveform."""
    with folder.open(recording.path) as stream:
        size = os.fstat(stream.fileno()).st_size
        if _sha256(stream, size) != recording.sha256:
            raise _changed()
        return beat_files.read(stream).beats()


def _examine(folder: Folder, candidate: Candidate, ecg_channel: str,
             alias_key: str) -> tuple[
                 Recording | Refused, dict[str, dict[str, float]]]:
    if candidate.problem is not None:
        return Refused(candidate.name, (candidate.problem,)), {}
    try:
        with folder.open(candidate.path) as stream:
            if candidate.form != ECG:
                return _beats(folder, candidate, stream, alias_key), {}
            return _read(folder, candidate, stream, ecg_channel, alias_key)
    except AuraError as error:
        problem = error.problem
    except OSError as error:
        problem = Problem("path.read", "error",
                          f"reading failed: {error.strerror}")
    return Refused(candidate.name, (problem,)), {}


def _read(folder: Folder, candidate: Candidate, stream: BinaryIO,
          ecg_channel: str, alias_key: str) -> tuple[
              Recording, dict[str, dict[str, float]]]:
    size = os.fstat(stream.fileno()).st_size
    header = read_header(stream)
    timeline = read_timeline(stream, header)
    duration_s = gaps.duration_s(header, timeline)
    start = header.start + timedelta(seconds=timeline.first_onset_s)
    events, source, problems = ground_truth.gather(folder, candidate, Frame(
        duration_s, start, _rate_hz(header), timeline.notes))
    index, qualities, found = choose(stream, header, ecg_channel)
    signal = EcgSignal(stream, header, index)
    labels = tuple(signal.label for signal in header.signals)
    digest = _sha256(stream, size)
    return Recording(
        path=candidate.name,
        patient=alias("p", identity_of(folder, candidate, header.patient),
                      alias_key),
        channels=labels,
        channel=labels[index],
        channel_index=index,
        unit=signal.unit,
        fs_hz=signal.fs_hz,
        duration_s=duration_s,
        start=start,
        events=events,
        annotation_source=source,
        sha256=digest,
        problems=(*header.problems, *gaps.warnings(header, timeline),
                  *problems, *found, *_short(duration_s))), qualities


def _rate_hz(header: Header) -> float:
    """Rate of the fastest signal, in which WFDB counts an EDF file."""
    return float(max(header.rate_hz(signal) for signal in header.signals))


def identity_of(folder: Folder, candidate: Candidate,
                header_patient: str = "") -> str:
    """Identity of the patient of a recording, to be shown to nobody."""
    # The folder's own name counts too, so that a patient is the same whether
    # the collection, one folder of it or a single file was given.
    path = posixpath.join(folder.root.name, candidate.path)
    return patient_identity(path, header_patient)


def _beats(folder: Folder, candidate: Candidate, stream: BinaryIO,
           alias_key: str) -> Recording:
    size = os.fstat(stream.fileno()).st_size
    series = beat_files.read(stream)
    events, source, problems = ground_truth.gather(folder, candidate, Frame(
        series.duration_s, series.start, ends_early_s=quality.MAX_RR_S))
    start = series.start
    if start is None:
        start = NO_DATE
        problems += (Problem(
            "recording.no_date", "warning", "beats have no date; the clock "
            f"of this recording is taken to start at {NO_DATE}"),)
    return Recording(
        path=candidate.name,
        patient=alias("p", identity_of(folder, candidate), alias_key),
        channels=(), channel="", channel_index=-1, unit="", fs_hz=None,
        duration_s=series.duration_s, start=start, events=events,
        annotation_source=source, sha256=_sha256(stream, size),
        problems=(*series.problems, *problems, *_short(series.duration_s)))


def _short(duration_s: float) -> tuple[Problem, ...]:
    if duration_s >= SHORT_S:
        return ()
    return (Problem(
        "recording.short", "warning", f"the recording lasts {duration_s:g}"
        f" s; below {SHORT_S:g} s no long window is ever full"),)


def _opened(stream: BinaryIO, header: Header,
            index: int) -> EcgSignal | GappedSignal:
    if header.kind.endswith("D"):
        timeline = read_timeline(stream, header)
        if len(timeline.parts) > 1:
            return GappedSignal(stream, header, timeline, index)
    return EcgSignal(stream, header, index)


def _sha256(stream: BinaryIO, size: int) -> str:
    digest, at = hashlib.sha256(), 0
    while block := read_at(stream.fileno(), 2**20, at):
        digest.update(block)
        at += len(block)
    if at != size:
        raise _changed()
    return digest.hexdigest()


def _changed() -> CorruptDataError:
    return CorruptDataError(
        "recording.changed", "the file changed while it was in use",
        "leave it alone during a run, and repeat the run from its start")
