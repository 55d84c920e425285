"""The manifest of a batch: what each stage knows of each recording."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from aura import state
from aura.errors import CorruptDataError, Problem, plural
from aura.folder import Folder
from aura.recording import Event, Recording

FORMAT: Literal["aura-manifest-1"] = "aura-manifest-1"
_Above0 = Annotated[float, Meta(gt=0)]


@dataclass(frozen=True)
class Signals:
    rows: int  # Rows of the feature table
    beats: int  # Beats found
    # Start and end of what nothing can be said about, in seconds.
    unscorable: tuple[tuple[float, float], ...]
    scorable_s: float  # Seconds of rows that can be scored


@dataclass(frozen=True)
class Entry:
    path: str  # Relative to the input
    recording: Recording | None  # None where the file is refused
    problems: tuple[Problem, ...] = ()  # Why, or warnings
    signals: Signals | None = None  # Known from the feature stage on
    predicted: tuple[Event, ...] | None = None  # Known from the predictor on

    @property
    def refused(self) -> bool:
        return self.recording is None

    @property
    def has_annotations(self) -> bool:
        """Whether it has annotations of any sort, understood or not."""
        if self.recording is not None:
            return self.recording.annotated or not self.recording.understood
        return any(problem.rule.startswith("annotations.")
                   for problem in self.problems)

    def refuse(self, problem: Problem) -> "Entry":
        return Entry(self.path, None, (*self.problems, problem))


@dataclass(frozen=True)
class Manifest:
    input: str  # Name of the input that paths are relative to
    # In the order of the tree; column ``recording`` counts from 0.
    entries: tuple[Entry, ...] = field(default=())

    @property
    def recordings(self) -> list[tuple[int, Recording]]:
        """Number and recording of the entries that are not refused."""
        return [(number, entry.recording)
                for number, entry in enumerate(self.entries)
                if entry.recording is not None]

    @property
    def has_annotations(self) -> bool:
        return any(entry.has_annotations for entry in self.entries)

    def with_entries(self, entries: Sequence[Entry]) -> "Manifest":
        return replace(self, entries=tuple(entries))


@dataclass(frozen=True)
class FileOutcomes:
    # Input that was given, and the file's entry in its last manifest.
    entries: tuple[tuple[str, Entry], ...]

    @property
    def done(self) -> int:
        return sum(not entry.refused for _, entry in self.entries)

    @property
    def not_understood(self) -> int:
        """Number of recordings with annotations that are in doubt."""
        return sum(entry.recording is not None
                   and not entry.recording.understood
                   for _, entry in self.entries)

    @property
    def without_annotations(self) -> str:
        """The inputs that have no annotation of any sort."""
        return ", ".join(sorted({name for name, _ in self.entries} - {
            name for name, entry in self.entries if entry.has_annotations}))


class _Known(msgspec.Struct, frozen=True):
    """A recording; its path and its problems are with its entry."""

    patient: str
    channels: tuple[str, ...]
    channel: str
    channel_index: int
    unit: str
    fs_hz: _Above0 | None
    duration_s: _Above0
    start: Annotated[datetime, Meta(tz=False)]
    events: tuple[Event, ...]
    annotation_source: str | None
    sha256: str


class _Stored(msgspec.Struct, frozen=True):
    path: str
    status: Literal["ok", "refused"]
    problems: tuple[Problem, ...]
    recording: _Known | None
    signals: Signals | None
    predicted: tuple[Event, ...] | None

    def __post_init__(self) -> None:
        events = self.recording.events if self.recording else ()
        if any(event.duration_s < 0
               for event in (*events, *(self.predicted or ()))):
            raise ValueError("an event ends before it begins")


class _Stated(msgspec.Struct, frozen=True):
    format: Literal["aura-manifest-1"]
    input: str
    recordings: list[Any]  # Each a `_Stored`


def write(folder: Folder, path: str, manifest: Manifest) -> None:
    state.write(folder, path, _Stated(
        FORMAT, manifest.input, [*map(_stored, manifest.entries)]),
        indent=1, sort_keys=False)


def read(folder: Folder, path: str) -> Manifest:
    batch, entries = read_each(folder, path)
    for entry in entries:
        if isinstance(entry, CorruptDataError):
            raise entry
    return Manifest(batch, tuple(
        entry for entry in entries if isinstance(entry, Entry)))


def read_each(folder: Folder, path: str) -> tuple[
        str, list[Entry | CorruptDataError]]:
    """The input of a batch and its entries, or what is wrong with them."""
    where = ("manifest.damaged", path, "run the stage that writes it again")
    found = state.parse(folder.read(path), _Stated, *where)
    entries: list[Entry | CorruptDataError] = []
    for one in found.recordings:
        try:
            entries.append(_entry(state.convert(one, _Stored, *where)))
        except CorruptDataError as error:
            entries.append(error)
    return found.input, entries


def _stored(entry: Entry) -> _Stored:
    one = entry.recording
    known = None if one is None else _Known(*(
        getattr(one, name) for name in _Known.__struct_fields__))
    return _Stored(entry.path, "refused" if one is None else "ok",
                   entry.problems, known, entry.signals, entry.predicted)


def _entry(stored: _Stored) -> Entry:
    one = stored.recording
    recording = None if one is None else Recording(
        path=stored.path, problems=stored.problems,
        **msgspec.structs.asdict(one))
    return Entry(stored.path, recording, stored.problems, stored.signals,
                 stored.predicted)


def status_text(entries: Sequence[Entry]) -> str:
    """One line for a reply: how many files, and which rules refused any."""
    # No names of files: callers log replies.
    kept = sum(not entry.refused for entry in entries)
    counts: dict[str, Counter[str]] = {"refused": Counter(),
                                       "not read": Counter()}
    for entry in entries:
        if entry.refused:
            last = entry.problems[-1] if entry.problems else None
            # With a warning nothing is lost, such as a second path to a file.
            kind = ("not read" if last and last.level == "warning"
                    else "refused")
            counts[kind][last.rule if last else "unknown"] += 1
    return ", ".join([plural(kept, "recording"), *(
        f"{plural(rules.total(), 'file')} {kind}: " + ", ".join(
            f"{count} {rule}" for rule, count in sorted(rules.items())[:8])
        for kind, rules in counts.items() if rules)])
