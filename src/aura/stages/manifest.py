"""
The manifest of a batch: what each stage knows of each recording.

It is JSON. The loader writes it, and each later stage writes its own,
fuller one beside it, so that a stage can be repeated at any time. No run
id, time or host stands in it.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from aura.errors import CorruptDataError, Problem, plural
from aura.folder import Folder
from aura.recording import Event, Recording

FORMAT = "aura-manifest-1"


@dataclass(frozen=True)
class Signals:
    """What the feature stage found in a recording."""

    rows: int  # Rows of the feature table
    beats: int  # Beats found
    # Start and end of the stretches that nothing can be said about, in
    # seconds.
    unscorable: tuple[tuple[float, float], ...]
    scorable_s: float  # Seconds of rows that can be scored


@dataclass(frozen=True)
class Entry:
    """One file of a batch."""

    path: str  # Relative to the input
    recording: Recording | None  # None where the file is refused
    problems: tuple[Problem, ...] = ()  # Why, or warnings
    signals: Signals | None = None  # Known from the feature stage on
    predicted: tuple[Event, ...] | None = None  # Known from the predictor on

    @property
    def refused(self) -> bool:
        """Whether no later stage sees this file."""
        return self.recording is None

    @property
    def has_annotations(self) -> bool:
        """Whether it has annotations of any sort, understood or not."""
        if self.recording is not None:
            return self.recording.annotated or not self.recording.understood
        return any(problem.rule.startswith("annotations.")
                   for problem in self.problems)

    def refuse(self, problem: Problem) -> "Entry":
        """The entry of a file that turned out not to be usable."""
        return Entry(self.path, None, (*self.problems, problem))


@dataclass(frozen=True)
class Manifest:
    """A batch of recordings."""

    input: str  # Name of the input that paths are relative to
    # In the order of the tree. The tables' column ``recording`` counts them
    # from 0, refused ones included.
    entries: tuple[Entry, ...] = field(default=())

    @property
    def recordings(self) -> list[tuple[int, Recording]]:
        """Number and recording of the entries that are not refused."""
        return [(number, entry.recording)
                for number, entry in enumerate(self.entries)
                if entry.recording is not None]

    @property
    def has_annotations(self) -> bool:
        """Whether there are annotations of any sort, understood or not."""
        return any(entry.has_annotations for entry in self.entries)

    def with_entries(self, entries: Sequence[Entry]) -> "Manifest":
        """The same batch with other entries."""
        return replace(self, entries=tuple(entries))


@dataclass(frozen=True)
class Outcome:
    """What became of all files of a run."""

    # Input that was given, and the file's entry in its last manifest.
    entries: tuple[tuple[str, Entry], ...]

    @property
    def done(self) -> int:
        """Number of recordings that were used."""
        return sum(not entry.refused for _, entry in self.entries)

    @property
    def refused(self) -> int:
        """Number of files that were refused."""
        return sum(
            entry.refused and any(p.level == "error" for p in entry.problems)
            for _, entry in self.entries)

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

    @property
    def exit_code(self) -> int:
        """0 all well, 2 some files refused, 1 nothing could be done."""
        if not self.done:
            return 1
        return 2 if self.refused else 0


def write(folder: Folder, path: str, manifest: Manifest) -> None:
    """Write a manifest; errors are those of `Folder.write`."""
    content = {
        "format": FORMAT, "input": manifest.input,
        "recordings": [_entry(entry) for entry in manifest.entries]}
    folder.write(path, (json.dumps(
        content, indent=1, allow_nan=False) + "\n").encode("ascii"))


def read(folder: Folder, path: str) -> Manifest:
    """Read a manifest."""
    try:
        content = json.loads(folder.read(path))
        if content["format"] != FORMAT:
            raise ValueError(content["format"])
        return Manifest(content["input"], tuple(
            _read_entry(entry) for entry in content["recordings"]))
    except (ValueError, KeyError, TypeError, AttributeError,
            RecursionError):
        raise CorruptDataError(
            "manifest.damaged", "the manifest is not one of this version",
            "run the stage that writes it again") from None


def status_text(entries: Sequence[Entry]) -> str:
    """
    One line for a reply: how many files, and which rules refused any.

    It names rules, not files: replies are logged by whoever calls.
    """
    kept = sum(not entry.refused for entry in entries)
    counts: dict[str, Counter[str]] = {"refused": Counter(),
                                       "not read": Counter()}
    for entry in entries:
        if entry.refused:
            last = entry.problems[-1] if entry.problems else None
            # With a warning nothing is lost, such as a second path to a file.
            state = ("not read" if last and last.level == "warning"
                     else "refused")
            counts[state][last.rule if last else "unknown"] += 1
    return ", ".join([plural(kept, "recording"), *(
        f"{plural(rules.total(), 'file')} {state}: " + ", ".join(
            f"{count} {rule}" for rule, count in sorted(rules.items())[:8])
        for state, rules in counts.items() if rules)])


def _entry(entry: Entry) -> dict[str, Any]:
    recording = None
    if entry.recording is not None:
        recording = asdict(replace(entry.recording, signal=None, beats=None))
        recording["start"] = entry.recording.start.isoformat()
        # They stand with the entry.
        for name in ("problems", "path", "signal", "beats"):
            del recording[name]
    return {
        "path": entry.path,
        "status": "refused" if entry.refused else "ok",
        "problems": [asdict(problem) for problem in entry.problems],
        "recording": recording,
        "signals": asdict(entry.signals) if entry.signals else None,
        "predicted": None if entry.predicted is None else [
            asdict(event) for event in entry.predicted]}


def _read_entry(content: dict[str, Any]) -> Entry:
    problems = tuple(Problem(**item) for item in content["problems"])
    known, signals = content["recording"], content["signals"]
    recording = None if known is None else Recording(**{
        **known,
        "path": content["path"], "problems": problems,
        "channels": tuple(known["channels"]),
        "start": datetime.fromisoformat(known["start"]),
        "events": _events(known["events"])})
    return Entry(
        content["path"], recording, problems,
        None if signals is None else Signals(**{
            **signals, "unscorable": tuple(
                (start, end) for start, end in signals["unscorable"])}),
        None if content["predicted"] is None
        else _events(content["predicted"]))


def _events(content: list[dict[str, Any]]) -> tuple[Event, ...]:
    return tuple(Event(**item) for item in content)
