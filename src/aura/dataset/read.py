"""
One recording of a folder: what a file holds, and its signal or beats.

`recording` reads all but the signal: header, EDF+ annotations and gaps,
annotation files beside the recording, the ECG channel, the patient's alias,
or the beats where there is no waveform. A file that breaks a rule of its
format is *refused*; one that is short or has a poor signal is a recording
with warnings.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

from aura.dataset import beat_files, ground_truth
from aura.dataset.ecg_channel import choose
from aura.dataset.find import ECG, Candidate
from aura.dataset.ground_truth import Extent
from aura.dataset.patients import alias, identity_of
from aura.ecg import quality
from aura.edf import gaps
from aura.edf.gaps import GappedSignal
from aura.edf.header import Header, read_at, read_header
from aura.edf.signal import EcgSignal
from aura.edf.tal import read_timeline
from aura.errors import CorruptDataError, Problem
from aura.folder import Folder, problem_of
from aura.recording import Beats, Recording

SHORT_S = 60.0
# Start of a recording whose file has no date.
NO_DATE = datetime(2000, 1, 1)


@dataclass(frozen=True)
class Refused:
    """A file that cannot be used as a recording, and why."""

    path: str  # Location relative to the input folder; printable
    # Errors, or the warning of a `aura.dataset.find.Candidate`.
    problems: tuple[Problem, ...]


def recording(folder: Folder, candidate: Candidate, ecg_channel: str = "",
              alias_key: str = "aura") -> Recording | Refused:
    """Read everything about a recording except its signal."""
    return _recording(folder, candidate, ecg_channel, alias_key)[0]


def report(folder: Folder, candidate: Candidate, ecg_channel: str = "",
           alias_key: str = "aura") -> dict[str, Any]:
    """The report of `aura inspect` on one file, ready for JSON."""
    outcome, qualities = _recording(folder, candidate, ecg_channel, alias_key)
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
def open_signal(folder: Folder, known: Recording,
                path: str = "") -> Iterator[EcgSignal | GappedSignal]:
    """Open the ECG of a recording that `recording` returned."""
    with folder.open(path or known.path) as stream:
        header = read_header(stream)
        labels = tuple(signal.label for signal in header.signals)
        if labels != known.channels:
            raise _changed()
        signal = signal_of(stream, header, known.channel_index)
        duration_s = (signal.duration_s if isinstance(signal, GappedSignal)
                      else float(header.duration_s))
        if (signal.fs_hz, duration_s) != (known.fs_hz, known.duration_s):
            raise _changed()
        yield signal


def signal_of(stream: BinaryIO, header: Header,
              index: int) -> EcgSignal | GappedSignal:
    """One channel of an open recording, on its clock."""
    if header.kind.endswith("D"):
        timeline = read_timeline(stream, header)
        if len(timeline.parts) > 1:
            return GappedSignal(stream, header, timeline, index)
    return EcgSignal(stream, header, index)


def beats(folder: Folder, known: Recording) -> Beats:
    """Read the beats of a recording without a waveform."""
    with folder.open(known.path) as stream:
        size = os.fstat(stream.fileno()).st_size
        if _sha256(stream, size) != known.sha256:
            raise _changed()
        return beat_files.read(stream).beats()


def _recording(folder: Folder, candidate: Candidate, ecg_channel: str,
               alias_key: str) -> tuple[
                   Recording | Refused, dict[str, dict[str, float]]]:
    if candidate.problem is not None:
        return Refused(candidate.name, (candidate.problem,)), {}
    try:
        with folder.open(candidate.path) as stream:
            if candidate.form != ECG:
                return _beats(folder, candidate, stream, alias_key), {}
            return _waveform(folder, candidate, stream, ecg_channel,
                             alias_key)
    except Exception as error:
        return Refused(candidate.name, (problem_of(error),)), {}


def _waveform(folder: Folder, candidate: Candidate, stream: BinaryIO,
              ecg_channel: str, alias_key: str) -> tuple[
                  Recording, dict[str, dict[str, float]]]:
    size = os.fstat(stream.fileno()).st_size
    header = read_header(stream)
    timeline = read_timeline(stream, header)
    extent = ground_truth.extent_of(header, timeline)
    assert extent.start is not None
    events, source, problems = ground_truth.seizures(
        folder, candidate, extent)
    index, qualities, found = choose(stream, header, ecg_channel)
    signal = EcgSignal(stream, header, index)
    labels = tuple(signal.label for signal in header.signals)
    patient = identity_of(folder, candidate.path, header.patient)
    return Recording(
        path=candidate.name, patient=alias("p", patient, alias_key),
        channels=labels, channel=labels[index], channel_index=index,
        unit=signal.unit, fs_hz=signal.fs_hz,
        duration_s=extent.duration_s, start=extent.start, events=events,
        annotation_source=source, sha256=_sha256(stream, size),
        problems=(*header.problems, *gaps.warnings(header, timeline),
                  *problems, *found, *_short(extent.duration_s))), qualities


def _beats(folder: Folder, candidate: Candidate, stream: BinaryIO,
           alias_key: str) -> Recording:
    size = os.fstat(stream.fileno()).st_size
    series = beat_files.read(stream)
    # The file ends with the last beat, the recording some time later.
    events, source, problems = ground_truth.seizures(
        folder, candidate, Extent(series.duration_s, series.start,
                                  ends_early_s=quality.MAX_RR_S))
    if series.start is None:
        problems += (Problem(
            "recording.no_date", "warning", "the file has no date; its clock "
            f"starts at {NO_DATE}"),)
    return Recording(
        path=candidate.name,
        patient=alias("p", identity_of(folder, candidate.path), alias_key),
        channels=(), channel="", channel_index=-1, unit="", fs_hz=None,
        duration_s=series.duration_s, start=series.start or NO_DATE,
        events=events, annotation_source=source,
        sha256=_sha256(stream, size),
        problems=(*series.problems, *problems, *_short(series.duration_s)))


def _short(duration_s: float) -> tuple[Problem, ...]:
    if duration_s >= SHORT_S:
        return ()
    return (Problem(
        "recording.short", "warning", f"the recording lasts {duration_s:g} "
        f"s; features with a longer window need at least {SHORT_S:g} s"),)


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
        "start the run again, and change no recording during it")
