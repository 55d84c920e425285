"""One recording of a folder: what a file holds, and its signal or beats."""
# A file that breaks a rule of its format is refused; a short one is read.

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, BinaryIO

from aura import state
from aura.dataset import beat_files, ground_truth
from aura.dataset.ecg_channel import choose
from aura.dataset.find import ECG, Candidate
from aura.dataset.ground_truth import Extent
from aura.dataset.patients import Patient, alias
from aura.dataset.unpack import open_recording
from aura.ecg import quality
from aura.edf import gaps
from aura.edf.gaps import GappedSignal
from aura.edf.fields import NO_DATE
from aura.edf.header import FAULTS, Header, read_at, read_header
from aura.edf.signal import EcgSignal, PairSignal, channel
from aura.edf.tal import Timeline, read_timeline
from aura.errors import AuraError, InvalidInputError, Problem
from aura.folder import Folder, problem_of
from aura.recording import Beats, Recording

SHORT_S = 60.0


@dataclass(frozen=True)
class Refused:
    """A file that cannot be used as a recording, and why."""

    path: str  # Location relative to the input folder; printable
    # Errors, or the warning of a `aura.dataset.find.Candidate`.
    problems: tuple[Problem, ...]


# A recording or why there is none, the quality of its channels, its patient.
_Assembled = tuple[Recording | Refused, dict[str, dict[str, float]],
                   Patient | None]


def recording(folder: Folder, candidate: Candidate, ecg_channel: str = "",
              alias_key: str = "aura",
              strict: bool = False) -> Recording | Refused:
    """Read everything about a recording except its signal."""
    return _recording(folder, candidate, ecg_channel, alias_key, strict)[0]


def report(folder: Folder, candidate: Candidate, ecg_channel: str = "",
           alias_key: str = "aura", strict: bool = False) -> dict[str, Any]:
    """The report of `aura inspect` on one file, ready for JSON."""
    outcome, qualities, patient = _recording(
        folder, candidate, ecg_channel, alias_key, strict)
    known = outcome if isinstance(outcome, Recording) else None
    events = known.events if known else ()
    return {
        "path": outcome.path,
        "status": "ok" if known else "refused",
        "channels": list(known.channels) if known else [],
        "chosen": known.channel if known else None,
        "fs_hz": known.fs_hz if known else None,
        "unit": known.unit if known else None,
        "start": known.start.isoformat() if known else None,
        "duration_s": known.duration_s if known else None,
        "patient": {
            "alias": known.patient, **asdict(patient),
        } if known and patient else None,
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


def patient_of(folder: Folder, candidate: Candidate) -> Patient:
    """The patient of a recording; of the file only the header is read."""
    field = ""
    if candidate.form == ECG and candidate.patient is None:
        with open_recording(folder, candidate.path) as stream:
            field = read_header(stream).patient
    return candidate.patient_in(folder, field)


def doubt(folder: Folder, candidate: Candidate) -> Problem | None:
    """The error for a recording of which nothing in it names the patient."""
    patient = patient_of(folder, candidate)
    if not patient.doubtful:
        return None
    return state.error("patient.doubtful", source=patient.source).problem


@contextlib.contextmanager
def open_signal(folder: Folder, known: Recording,
                path: str = "") -> Iterator[
                    EcgSignal | PairSignal | GappedSignal]:
    """Open the ECG of a recording that `recording` returned."""
    with open_recording(folder, path or known.path) as stream:
        header = read_header(stream)
        labels = tuple(signal.label for signal in header.signals)
        if labels != known.channels:
            raise _changed()
        duration_s = float(header.duration_s)
        # A continuous file has its annotations read only if it has gaps.
        timeline = (read_timeline(stream, header)
                    if header.kind.endswith("D")
                    or known.duration_s > duration_s else None)
        signal = signal_of(stream, header, _indices(known), timeline)
        if isinstance(signal, GappedSignal):
            duration_s = signal.duration_s
        if (signal.fs_hz, duration_s) != (known.fs_hz, known.duration_s):
            raise _changed()
        yield signal


def _indices(known: Recording) -> tuple[int, ...]:
    """The channel of a recording, or the two whose difference it is."""
    first = known.channels[known.channel_index]
    if known.channel == first:
        return (known.channel_index,)
    return (known.channel_index, known.channels.index(
        known.channel.removeprefix(f"{first} - ")))


def signal_of(stream: BinaryIO, header: Header, indices: tuple[int, ...],
              timeline: Timeline | None) -> (
                  EcgSignal | PairSignal | GappedSignal):
    """One channel of an open recording, on its clock."""
    if timeline is not None and len(timeline.parts) > 1:
        return GappedSignal(stream, header, timeline, indices)
    return channel(stream, header, indices)


def beats(folder: Folder, known: Recording) -> Beats:
    """Read the beats of a recording without a waveform."""
    with folder.open(known.path) as stream:
        size = os.fstat(stream.fileno()).st_size
        if _sha256(stream, size) != known.sha256:
            raise _changed()
        return beat_files.read(stream).beats()


def _recording(folder: Folder, candidate: Candidate, ecg_channel: str,
               alias_key: str, strict: bool) -> _Assembled:
    if candidate.problem is not None:
        return Refused(candidate.name, (candidate.problem,)), {}, None
    try:
        with open_recording(folder, candidate.path) as stream:
            if candidate.form != ECG:
                return _beats(folder, candidate, stream, alias_key, strict)
            return _waveform(folder, candidate, stream, ecg_channel,
                             alias_key, strict)
    except Exception as error:
        return Refused(candidate.name, (problem_of(error),)), {}, None


def _waveform(folder: Folder, candidate: Candidate, stream: BinaryIO,
              ecg_channel: str, alias_key: str, strict: bool) -> _Assembled:
    size = os.fstat(stream.fileno()).st_size
    header = read_header(stream)
    timeline = read_timeline(stream, header)
    doubts = (*header.problems, *gaps.warnings(header, timeline))
    if strict:
        refuse(doubts)
    extent = ground_truth.extent_of(header, timeline)
    start = header.start + timedelta(seconds=timeline.first_onset_s)
    events, source, problems = ground_truth.seizures(folder, candidate, extent)
    if strict:
        refuse(problems)
    indices, qualities, found = choose(stream, header, ecg_channel)
    signal = channel(stream, header, indices)
    labels = tuple(signal.label for signal in header.signals)
    patient = candidate.patient_in(folder, header.patient)
    return Recording(
        path=candidate.name, patient=alias("p", patient.name, alias_key),
        channels=labels,
        channel=" - ".join(labels[index] for index in indices),
        channel_index=indices[0],
        unit=signal.unit, fs_hz=signal.fs_hz,
        duration_s=extent.duration_s, start=start, events=events,
        annotation_source=source, sha256=_sha256(stream, size),
        problems=(*doubts, *_no_date(extent.start, start), *problems, *found,
                  *_short(extent.duration_s))), qualities, patient


def _beats(folder: Folder, candidate: Candidate, stream: BinaryIO,
           alias_key: str, strict: bool) -> _Assembled:
    size = os.fstat(stream.fileno()).st_size
    series = beat_files.read(stream)
    if strict:
        refuse(series.problems)
    # The file ends with the last beat, the recording some time later.
    events, source, problems = ground_truth.seizures(
        folder, candidate, Extent(series.duration_s, series.start,
                                  ends_early_s=quality.MAX_RR_S))
    if strict:
        refuse(problems)
    start = series.start or NO_DATE
    patient = candidate.patient_in(folder)
    return Recording(
        path=candidate.name,
        patient=alias("p", patient.name, alias_key),
        channels=(), channel="", channel_index=-1, unit="", fs_hz=None,
        duration_s=series.duration_s, start=start,
        events=events, annotation_source=source,
        sha256=_sha256(stream, size),
        problems=(*series.problems, *problems,
                  *_no_date(series.start, start),
                  *_short(series.duration_s))), {}, patient


def refuse(problems: tuple[Problem, ...]) -> None:
    """Refuse a file with a fault, although it can be read."""
    for problem in problems:
        if problem.rule in FAULTS | beat_files.FAULTS | ground_truth.GUESSED:
            raise InvalidInputError(
                problem.rule, f"rejected by --strict (AURA_STRICT=1); "
                f"otherwise: {problem.text}")


def _no_date(known: datetime | None, start: datetime) -> tuple[Problem, ...]:
    if known is not None:
        return ()
    return (state.problem("recording.no_date", start=start),)


def _short(duration_s: float) -> tuple[Problem, ...]:
    if duration_s >= SHORT_S:
        return ()
    return (state.problem(
        "recording.short", duration_s=duration_s, short_s=SHORT_S),)


def _sha256(stream: BinaryIO, size: int) -> str:
    digest, at = hashlib.sha256(), 0
    while block := read_at(stream.fileno(), 2**20, at):
        digest.update(block)
        at += len(block)
    if at != size:
        raise _changed()
    return digest.hexdigest()


def _changed() -> AuraError:
    return state.error("recording.changed")
