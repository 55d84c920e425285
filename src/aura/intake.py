"""
One recording, from its bytes to what the stages need to know of it.

`examine` takes everything together: the header guard, EDF+ annotations and
continuity, the annotations beside the file, the choice of the ECG channel
and the patient's alias. A file that breaks its format is *refused* with the
rule it breaks; one that is only short or poor in signal is a recording with
warnings.
"""

import contextlib
import hashlib
import os
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, BinaryIO

from aura import annotations
from aura.catalogue import Candidate, printable
from aura.ecg import choose
from aura.edf import Header, read_header
from aura.edf_samples import EcgSignal
from aura.errors import (
    AuraError,
    CorruptDataError,
    Problem,
    ResourceError,
)
from aura.identity import alias, patient_identity
from aura.recording import BACKGROUND, Event, Recording
from aura.tal import Timeline, read_timeline
from aura.workspace import Folder

SHORT_S = 60.0
SIDECAR_BYTES_MAX = 64 * 2**20
EDF_PLUS = "EDF+"
DISAGREE_S = 1.0
DISAGREE_DAYS = 1

_Problems = tuple[Problem, ...]
_Annotated = tuple[tuple[Event, ...], str | None, _Problems]


@dataclass(frozen=True)
class Refused:
    """
    An input that is not a recording that can be used, and why.

    Parameters
    ----------
    path : str
        Location relative to the input folder; printable.
    problems : tuple of Problem
        Of level ``error``. Only a second way to a folder that is read
        anyway has a mere warning (see `aura.catalogue`).
    """

    path: str
    problems: tuple[Problem, ...]


def examine(folder: Folder, candidate: Candidate, ecg_channel: str = "",
            alias_key: str = "aura") -> Recording | Refused:
    """
    Read all that is to be known of a recording but its signal.

    Parameters
    ----------
    folder : Folder
        The folder that `aura.catalogue.find` searched.
    candidate : Candidate
        What it found.
    ecg_channel, alias_key : str, optional
        The settings of these names.

    Returns
    -------
    Recording or Refused
        Never raises for a bad file. Memory is bounded whatever the file.
    """
    return _examine(folder, candidate, ecg_channel, alias_key)[0]


def report(folder: Folder, candidate: Candidate, ecg_channel: str = "",
           alias_key: str = "aura") -> dict[str, Any]:
    """
    What `aura inspect` says of one input, fit for JSON.

    Parameters
    ----------
    folder, candidate, ecg_channel, alias_key
        As for `examine`.

    Returns
    -------
    dict
        ``path``, ``status`` (``ok`` or ``refused``), ``channels``,
        ``chosen``, ``fs_hz``, ``duration_s``, ``annotations`` (``source``,
        ``count`` and ``seizures``, each with ``onset_s``, ``duration_s``
        and ``label``), ``quality`` (a dict of figures for each candidate
        channel) and ``problems`` (each ``rule``, ``level``, ``text``).
        Where a file is refused, what is not known is None or empty.
    """
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
                path: str = "") -> Iterator[EcgSignal]:
    """
    Open the ECG of a recording that `examine` has returned.

    Parameters
    ----------
    folder : Folder
        The folder that the recording lies in.
    recording : Recording
        What was found; the header still has to agree with it.
    path : str, optional
        Where the file lies in `folder`, if not at ``recording.path``.

    Yields
    ------
    EcgSignal
        Any number of threads may read from it.

    Raises
    ------
    AuraError
        As for `aura.workspace.Folder.open` and `aura.edf.read_header`, and
        ``recording.changed`` if the file is not the one that was examined.
    """
    with folder.open(path or recording.path) as stream:
        header = read_header(stream)
        labels = tuple(signal.label for signal in header.signals)
        if (labels != recording.channels
                or float(header.duration_s) != recording.duration_s):
            raise _changed()
        signal = EcgSignal(stream, header, recording.channel_index)
        if signal.fs_hz != recording.fs_hz:
            raise _changed()
        yield signal


def _examine(folder: Folder, candidate: Candidate, ecg_channel: str,
             alias_key: str) -> tuple[
                 Recording | Refused, dict[str, dict[str, float]]]:
    if candidate.problem is not None:
        return Refused(candidate.name, (candidate.problem,)), {}
    try:
        with folder.open(candidate.path) as stream:
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
    events, source, problems = _annotations(
        folder, candidate, header, timeline)
    index, qualities, found = choose(stream, header, ecg_channel)
    signal = EcgSignal(stream, header, index)
    duration_s = float(header.duration_s)
    if duration_s < SHORT_S:
        found += (Problem(
            "recording.short", "warning", f"the recording lasts {duration_s:g}"
            f" s; below {SHORT_S:g} s no long window is ever full"),)
    labels = tuple(signal.label for signal in header.signals)
    digest = _sha256(stream, size)
    return Recording(
        path=candidate.name,
        patient=alias("p", _identity(folder, candidate, header), alias_key),
        channels=labels,
        channel=labels[index],
        channel_index=index,
        unit=signal.unit,
        fs_hz=signal.fs_hz,
        duration_s=duration_s,
        start=header.start + timedelta(seconds=timeline.first_onset_s),
        events=events,
        annotation_source=source,
        sha256=digest,
        problems=header.problems + problems + found), qualities


def _identity(folder: Folder, candidate: Candidate, header: Header) -> str:
    # The folder's own name counts too, so that a patient is the same whether
    # the collection, one folder of it or a single file was given.
    path = posixpath.join(folder.root.name, candidate.path)
    return patient_identity(path, header.patient)


def _annotations(folder: Folder, candidate: Candidate, header: Header,
                 timeline: Timeline) -> _Annotated:
    duration_s = float(header.duration_s)
    noted = [Event(note.onset_s, note.duration_s,
                   annotations.label_of(note.text))
             for note in timeline.notes]
    looked = any(event.is_seizure or event.label == BACKGROUND
                 for event in noted)
    inside, problems = annotations.settle(noted, duration_s)
    if candidate.annotations is None:
        return _trusted(inside, EDF_PLUS if looked else None, (
            *problems, *(() if looked else _unread(candidate))))
    rows, doubts = _sidecar(
        folder, candidate.annotations, duration_s,
        header.start + timedelta(seconds=timeline.first_onset_s))
    beside, found = annotations.settle(rows, duration_s)
    source = candidate.annotations.removeprefix(
        candidate.path.removesuffix(candidate.name))
    beside, used, found = _trusted(beside, source, found)
    if used and looked and not _same(beside, inside):
        found += (Problem(
            "annotations.disagree", "warning", f"the annotations beside the "
            f"file have {len(beside)} seizures and those inside {len(inside)}"
            ", or other times; those beside it are used"),)
    return beside, used, doubts + found


def _unread(candidate: Candidate) -> Iterator[Problem]:
    if candidate.unread is not None:
        yield Problem(
            "annotations.unread", "warning", "TUSZ v2 csv annotations are not"
            f" read yet: {_shown(candidate.unread)}; convert to .tse_bi")


def _trusted(events: tuple[Event, ...], source: str | None,
             problems: _Problems) -> _Annotated:
    """Nothing at all, where a seizure is known of and its place is not."""
    unplaced = [problem.rule in annotations.UNPLACED for problem in problems]
    if not any(unplaced):
        return events, source, problems
    return (), None, tuple(
        replace(problem, text=f"{problem.text}; the recording counts as not "
                "annotated: mend or remove the annotation")
        if bad else problem
        for problem, bad in zip(problems, unplaced, strict=True))


def _sidecar(folder: Folder, path: str, duration_s: float,
             start: datetime) -> tuple[list[Event], _Problems]:
    try:
        return _read_sidecar(folder, path, duration_s, start)
    except AuraError as error:
        text = str(error.args[1])
        raise type(error)(error.rule, f"annotations {_shown(path)}: {text}",
                          "mend or remove it") from None
    except OSError as error:
        raise ResourceError(
            "path.read", f"annotations {_shown(path)}: reading failed: "
            f"{error.strerror}", "mend or remove it") from None


def _shown(path: str) -> str:
    return "".join(c if c.isprintable() else "\ufffd"
                   for c in printable(posixpath.basename(path)))


def _read_sidecar(folder: Folder, path: str, duration_s: float,
                  start: datetime) -> tuple[list[Event], _Problems]:
    with folder.open(path) as stream:
        content = stream.read(SIDECAR_BYTES_MAX + 1)
    if len(content) > SIDECAR_BYTES_MAX:
        raise ResourceError(
            "annotations.size",
            f"there are more than {SIDECAR_BYTES_MAX} bytes")
    if not path.lower().endswith(".tsv"):
        return annotations.read_tse(content, start), ()
    table = annotations.read_event_table(content)
    return table.events, tuple(_doubts(table, duration_s, start))


def _doubts(table: annotations.EventTable, duration_s: float,
            start: datetime) -> Iterator[Problem]:
    length, day = table.recording_duration_s, table.recorded_on
    if length is not None and abs(length - duration_s) > DISAGREE_S:
        yield Problem(
            "annotations.other_length", "warning", "the annotations beside "
            f"the file are of a recording of {length:g} s and this one has "
            f"{duration_s:g} s; are they those of this recording?")
    if day and abs((day - start.date()).days) > DISAGREE_DAYS:
        yield Problem(
            "annotations.other_date", "warning", "the annotations beside the "
            "file have another date than the recording; if none of the two "
            "was changed for privacy, are they those of this recording?")


def _same(one: tuple[Event, ...], other: tuple[Event, ...]) -> bool:
    return len(one) == len(other) and all(
        abs(a.onset_s - b.onset_s) <= DISAGREE_S
        and abs(a.end_s - b.end_s) <= DISAGREE_S
        for a, b in zip(one, other, strict=True))


def _sha256(stream: BinaryIO, size: int) -> str:
    digest, at = hashlib.sha256(), 0
    while block := os.pread(stream.fileno(), 2**20, at):
        digest.update(block)
        at += len(block)
    if at != size:
        raise _changed()
    return digest.hexdigest()


def _changed() -> CorruptDataError:
    return CorruptDataError(
        "recording.changed", "the file changed while it was in use",
        "leave it alone until the run is done")
