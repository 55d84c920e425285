"""
From an open set to a tree of recordings: EDF with ``.tse_bi``, or beats.

EDF holds the samples as the set has them, count for count; a last second
that is not full is left out. Each recording appears when it is complete, so
that an interrupted call goes on where it was.
"""

import gzip
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from aura.annotations import szdb, tse, wfdb
from aura.dataset import beat_files
from aura.edf import write
from aura.edf.header import read_header as read_edf_header
from aura.edf.signal import EcgSignal
from aura.errors import (
    CorruptDataError,
    InvalidInputError,
    PreconditionError,
    ResourceError,
    UnsupportedError,
)
from aura.folder import Folder
from aura.physionet.download import SUMS, Source
from aura.physionet.sets import BASE_URL, LICENCE, PHYSIONET, OpenSet
from aura.physionet.wfdb_signal import (
    RecordHeader,
    SignalLine,
    read_header,
    read_samples,
)
from aura.recording import Event, Floats

HIDDEN = ".fetch"
README = "README.md"
# The sets have no dates; EDF must have one.
START = datetime(2000, 1, 1)
# As the header of a record has it (header(5)).
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
PREFERRED_LEADS = ("MLII", "ECG", "II")

_README = """\
# {name} {version}

{title}.

From {url}, by `aura fetch {name}{option}`: {content}
Each file was checked against `{sums}` of the set.{patients}

Licence of the data: {licence}

Cite:

- {citation}
- {physionet}
"""


@dataclass(frozen=True)
class Fetched:
    """What became of one record."""

    record: str
    path: str  # Of the recording, in the tree
    new: bool  # Whether it was fetched now; else it was there


@dataclass(frozen=True)
class FetchedTree:
    """A set and where it goes."""

    wanted: OpenSet
    # The tree; ``.fetch`` in it keeps what has been downloaded until all is
    # done.
    out: Folder
    source: Source  # Where files come from
    beats: bool  # Write annotated beats in place of the waveforms

    def fetch(self, records: Sequence[str] = (),
              announce: Callable[[str], object] = lambda record: None
              ) -> Iterator[Fetched]:
        """Fetch and convert record after record."""
        known = self._known()
        strange = sorted(set(records) - set(known))
        if strange:
            raise InvalidInputError(
                "fetch.record", f"{self.wanted.name} has no record "
                f"{strange[0]}", f"it has {', '.join(known)}")
        for record in dict.fromkeys(records or known):
            path = self._path(record)
            new = not self.out.path(path).is_file()
            if new:
                announce(record)
                self._record(record, path)
            yield Fetched(record, path, new)

    def _known(self) -> list[str]:
        """Records of the set, of which names of files can be made."""
        known = self.source.fetch("RECORDS").decode(
            "ascii", "replace").split()
        strange = [name for name in known if not _NAME.fullmatch(name)]
        if strange or not known:
            raise CorruptDataError(
                "fetch.records", "the set's list RECORDS " + (
                    f"has {strange[0]!r}, which is no name of a record"
                    if strange else "is empty"),
                "the set is not the one that is known here")
        return known

    def _path(self, record: str) -> str:
        if not self.wanted.signals:
            return f"{record}/{record}.rr.csv.gz"
        name = f"{record}.beats.csv" if self.beats else f"{record}.edf"
        if self.wanted.seizures:
            return f"{self._patient(record)}/{name}"
        return name

    def _patient(self, record: str) -> str:
        return self.wanted.patients.get(
            record, record if self.wanted.seizures or not self.wanted.signals
            else f"mit{record}")

    def _record(self, record: str, path: str) -> None:
        header = read_header(self.source.fetch(f"{record}.hea"), record)
        if not self.wanted.signals or self.beats:
            beats_s = self._beats(record, header)
            # An unfinished call must not leave a recording that looks
            # seizure-free: its annotations come first.
            self._seizures(record, path, float(beats_s[-1]))
            content = (beat_files.write(beats_s) if self.wanted.signals
                       else _rr_csv(beats_s))
            self.out.write(path, content)
            return
        samples = read_samples(self.source.fetch(header.file), header)
        place = _lead(header)
        whole = len(samples) // _per_second(header, record)
        if not whole:
            raise CorruptDataError(
                "wfdb.length", f"{record} holds {len(samples)} samples, "
                "less than a second", "leave it out by --records")
        self._seizures(record, path, float(whole))
        self._edf(record, path, header, samples[:, place],
                  header.signals[place])

    def _beats(self, record: str, header: RecordHeader) -> Floats:
        marks, said_hz = wfdb.marks(self.source.fetch(
            f"{record}.{self.wanted.annotator}"))
        beats_s = np.array([
            mark.sample for mark in marks if mark.code in wfdb.BEATS
        ]) / (said_hz or header.rate_hz)
        if len(beats_s) < 2:
            raise InvalidInputError(
                "wfdb.no_beats", f"{record}.{self.wanted.annotator} holds "
                f"{len(beats_s)} beats", "leave the record out by --records")
        return np.unique(beats_s)

    def _seizures(self, record: str, path: str, duration_s: float) -> None:
        if not self.wanted.seizures:
            return
        found = szdb.read(
            self.source.fetch(self.wanted.seizures), record)
        if found is None:
            return
        events = tuple(Event(row.onset_s, row.duration_s or 0.0)
                       for row in sorted(found.rows, key=lambda r: r.onset_s)
                       if row.onset_s < duration_s)
        stem = path.removesuffix(".edf").removesuffix(".beats.csv")
        self.out.write(f"{stem}.tse_bi",
                       tse.write_seizures(events, duration_s))

    def _edf(self, record: str, path: str, header: RecordHeader,
             counts: NDArray[np.int32], signal: SignalLine) -> None:
        fs_hz = _per_second(header, record)
        counts = counts[:len(counts) // fs_hz * fs_hz]
        with self.out.replace(path) as stream:
            _write_edf(stream, counts, fs_hz, signal, self._patient(record))
            stream.flush()
            _verify(Path(stream.name), counts)

    def finish(self, url: str, complete: bool) -> None:
        """Write the tree's README; remove the downloads of a complete tree."""
        shared = sorted(
            f"{record} in {folder}" if self.wanted.seizures else
            f"{record} is of the same person as {folder.removeprefix('mit')}"
            for record, folder in self.wanted.patients.items())
        self.out.write(README, _README.format(
            name=self.wanted.name, version=self.wanted.version,
            title=self.wanted.title, url=url, sums=SUMS,
            option=" --beats" if self.beats else "",
            content=self._content(), licence=LICENCE,
            patients=f"\nPatients: {', '.join(shared)}." if shared else "",
            citation=self.wanted.citation, physionet=PHYSIONET,
        ).encode("utf-8"))
        if complete:
            hidden = self.out.path(HIDDEN)
            for file in hidden.iterdir() if hidden.is_dir() else ():
                file.unlink()
            if hidden.is_dir():
                hidden.rmdir()

    def _content(self) -> str:
        annotated = (", `.tse_bi` beside it from the set's "
                     f"`{self.wanted.seizures}`" if self.wanted.seizures
                     else "")
        if not self.wanted.signals:
            return f"RR intervals, {self.wanted.beats}."
        if self.beats:
            return f"beat times, {self.wanted.beats}{annotated}."
        return ("the waveform as EDF, count for count; the dates are "
                f"invented{annotated}.")


def tree(wanted: OpenSet, out: Path, beats: bool = False,
         base_url: str = BASE_URL,
         progress: Callable[[int], object] = lambda count: None,
         wait_s: float = 1.0) -> FetchedTree:
    """A tree of an open set, to be fetched."""
    folder = Folder(out)
    taken = folder.path(README)
    mark = f"`aura fetch {wanted.name}{' --beats' if beats else ''}`"
    if taken.is_file() and mark not in taken.read_text("utf-8", "replace"):
        raise PreconditionError(
            "fetch.taken", f"{out} holds something else",
            "name a new or empty folder")
    folder.try_writing()
    source = Source(wanted.url(base_url), Folder(folder.path(HIDDEN)),
                    progress, wait_s)
    return FetchedTree(wanted, folder, source, beats or not wanted.signals)


def _lead(header: RecordHeader) -> int:
    labels = [signal.label for signal in header.signals]
    if not labels:
        raise UnsupportedError("wfdb.no_signals", f"{header.name} has no "
                               "signals", "leave it out by --records")
    for wanted in PREFERRED_LEADS:
        if wanted in labels:
            return labels.index(wanted)
    return 0


def _per_second(header: RecordHeader, record: str) -> int:
    if header.rate_hz != int(header.rate_hz) or header.rate_hz < 1:
        raise UnsupportedError(
            "wfdb.rate", f"{record} is sampled at {header.rate_hz:g} Hz",
            "written are whole rates")
    return int(header.rate_hz)


def _rr_csv(beats_s: Floats) -> bytes:
    """RR intervals in milliseconds, packed; equal bytes for equal beats."""
    # Differences of rounded times: the sum does not drift.
    rr_us = np.diff(np.round(beats_s * 1e5).astype(np.int64))
    lines = ["rr_ms", *(f"{value / 100:.2f}" for value in rr_us.tolist())]
    return gzip.compress(("\n".join(lines) + "\n").encode("ascii"), mtime=0)


def _write_edf(stream: BinaryIO, counts: NDArray[np.int32], fs_hz: int,
               signal: SignalLine, patient: str) -> None:
    half = 2 ** (signal.bits - 1)
    low = max(-2 ** 15, min(signal.zero - half, int(counts.min(initial=0))))
    high = min(2 ** 15 - 1,
               max(signal.zero + half - 1, int(counts.max(initial=0))))
    label = signal.label or "ECG"
    write.write(stream, write.Main(
        "EDF", START, write.field(f"{patient} X X X"),
        write.startdate(START, "X X X"), len(counts) // fs_hz, "1"), [
            write.signal_fields(
                write.field(
                    label if "ECG" in label.upper() else f"ECG {label}", 16),
                write.field(signal.unit, 8),
                (_decimal((low - signal.baseline) / signal.gain),
                 _decimal((high - signal.baseline) / signal.gain)),
                (low, high), fs_hz)],
        [write.packed(counts.reshape(-1, fs_hz), 2)])


def _decimal(value: float) -> str:
    """A number with as many decimals as the eight characters of EDF allow."""
    for digits in range(7, -1, -1):
        text = f"{value:.{digits}f}"
        if len(text) <= 8:
            return text.rstrip("0").rstrip(".") if digits else text
    raise UnsupportedError(
        "wfdb.range", f"{value:g} is longer than the eight characters of an "
        "EDF field", "leave the record out with --records; the gain in its "
        "header cannot be that of an ECG")


def _verify(path: Path, counts: NDArray[np.int32]) -> None:
    try:
        with path.open("rb") as stream:
            signal = EcgSignal(stream, read_edf_header(stream), 0)
            same = (signal.sample_count == len(counts) and np.array_equal(
                signal.read_digital(0, len(counts)), counts))
    except CorruptDataError:
        same = False
    if not same:
        raise ResourceError(
            "disk.full", "a recording could not be written completely",
            "free some disk space and run the same command again")
