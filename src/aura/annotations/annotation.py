"""
An annotation as a file has it, with all that any format knows of it.

Stages need less: `Annotations.events` gives the events of `aura.recording`,
of which `aura.annotations.events.settle` makes disjoint seizures.
"""

from dataclasses import dataclass
from datetime import date, datetime

from aura.annotations.vocabulary import OTHER, label_of
from aura.recording import Event


@dataclass(frozen=True)
class Annotation:
    """One row of a file of annotations."""

    onset_s: float  # Start in seconds from the first sample of the recording
    # Length; None where the file does not say, and of a mark in time.
    duration_s: float | None
    text: str  # The label in the file's own words; it may be free text
    confidence: float | None = None  # In [0, 1], where one was given
    # What the file has for the channel; ``""`` for the whole recording.
    channels: str = ""
    # Names and cells of columns that only this kind of file has.
    more: tuple[tuple[str, str], ...] = ()

    @property
    def end_s(self) -> float:
        """End in seconds; the onset where the length is not known."""
        return self.onset_s + (self.duration_s or 0.0)

    @property
    def label(self) -> str:
        """What the text means, see `aura.annotations.vocabulary.label_of`."""
        return label_of(self.text)


@dataclass(frozen=True)
class Annotations:
    """A file of annotations."""

    rows: tuple[Annotation, ...]  # In the order of the file
    # Length of the recording, where the file says it.
    duration_s: float | None = None
    # Start of the recording, where the file says it.
    start: datetime | None = None
    # Day of the recording, where the file says at least that.
    recorded_on: date | None = None
    name: str = ""  # Name of the recording, where the file says it
    # The file has dates for times and nobody knows when the recording began,
    # so that its first row was taken for the start.
    start_is_first: bool = False

    @property
    def looked(self) -> bool:
        """
        Whether anybody looked for seizures, as far as the words say.

        Annotations that all have other words, such as the notes of a
        technician, or a script that nobody here reads, do not say so; a
        file of annotations without any row does.
        """
        return not self.rows or any(
            row.label != OTHER for row in self.rows)

    def events(self) -> list[Event]:
        """
        All rows as events with closed labels, in the order of the file.

        What is said of several channels in the same words is one event.
        """
        found = []
        said = set()
        for row in self.rows:
            event = Event(row.onset_s, row.duration_s or 0.0, row.label,
                          row.confidence)
            if row.channels:
                if event in said:
                    continue
                said.add(event)
            found.append(event)
        return found
