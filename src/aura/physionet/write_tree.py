"""Write an open set as folders of EDF with ``.tse_bi``, or of beats."""
# Samples are the counts of the set, without an incomplete last second.

import gzip
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from aura import state
from aura.annotations import szdb, tse, wfdb
from aura.dataset import beat_files
from aura.dataset.as_edf import decimal
from aura.dataset.wfdb_record import (
    RecordHeader, SignalLine, check_sums, decoded, read_header)
from aura.edf import write
from aura.edf.fields import NO_DATE
from aura.edf.header import read_header as read_edf_header
from aura.edf.signal import EcgSignal
from aura.errors import CorruptDataError, InvalidInputError, UnsupportedError
from aura.folder import Folder
from aura.physionet.download import ABOVE, SUMS, Source
from aura.physionet.sets import BASE_URL, LICENCE, PHYSIONET, OpenSet
from aura.recording import Event, Floats

HIDDEN = ".fetch"
README = "README.md"
# Names of records, see header(5) of WFDB.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
OTHERS = "fetch the other records with --records"
PREFERRED_LEADS = ("MLII", "ECG", "II")

_README = Path(__file__).with_name("tree.md").read_text("utf-8")


@dataclass(frozen=True)
class Fetched:
    """One record of the set."""

    record: str
    path: str  # Of the recording, in the tree
    new: bool  # Whether it was fetched by this call


@dataclass(frozen=True)
class FetchedTree:
    """A set and the folder that it is written to."""

    wanted: OpenSet
    out: Folder  # ``.fetch`` in it has the downloads until all is done
    source: Source
    beats: bool  # Write annotated beats instead of the waveforms

    def fetch(self, records: Sequence[str] = (),
              announce: Callable[[str], object] = lambda record: None
              ) -> Iterator[Fetched]:
        """Fetch and convert record after record."""
        known = self._known()
        unknown = sorted(set(records) - set(known))
        if unknown:
            raise InvalidInputError(
                "fetch.record", f"{self.wanted.name} has no record "
                f"{unknown[0]}", f"choose from {', '.join(known)}")
        for record in dict.fromkeys(records or known):
            path = self._path(record)
            new = not self.out.path(path).is_file()
            if new:
                announce(record)
                self._record(record, path)
            yield Fetched(record, path, new)

    def _known(self) -> list[str]:
        """Names of all records, safe to be used as names of files."""
        known = self.source.fetch("RECORDS").decode("ascii", "replace").split()
        unsafe = [name for name in known if not _NAME.fullmatch(name)]
        if unsafe or not known:
            raise CorruptDataError(
                "fetch.records", "the list RECORDS of the set " + (
                    f"has {unsafe[0]!r}, which is not a name of a record"
                    if unsafe else "is empty"), ABOVE)
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
            # The annotations come first: an interrupted call must not leave
            # a recording that looks free of seizures.
            self._seizures(record, path, float(beats_s[-1]))
            content = (beat_files.write(beats_s) if self.wanted.signals
                       else _rr_csv(beats_s))
            self.out.write(path, content)
            return
        samples = self._samples(header)
        place = _lead(header)
        whole = len(samples) // _per_second(header, record)
        if not whole:
            raise CorruptDataError(
                "wfdb.length", f"{record} has {len(samples)} samples, less "
                "than a second", OTHERS)
        self._seizures(record, path, float(whole))
        self._edf(record, path, header, samples[:, place],
                  header.signals[place])

    def _samples(self, header: RecordHeader) -> NDArray[np.int32]:
        """All signals of a record, which are in one file of these sets."""
        file, lines = header.files[0] if header.files else ("", [])
        flat = decoded(self.source.fetch(file), lines[0].packing
                       ) if lines else np.empty(0, np.int32)
        width = max(len(lines), 1)
        length = header.length or len(flat) // width
        if len(flat) < length * width:
            raise CorruptDataError(
                "wfdb.length", f"{file} has {len(flat)} samples, but its "
                f"header gives {length * width}", OTHERS)
        samples = flat[:length * width].reshape(length, width)
        check_sums(header, file, lines, samples.sum(axis=0, dtype=np.int64))
        return samples

    def _beats(self, record: str, header: RecordHeader) -> Floats:
        marks, rate_hz = wfdb.marks(self.source.fetch(
            f"{record}.{self.wanted.annotator}"))
        beats_s = np.array([
            mark.sample for mark in marks if mark.code in wfdb.BEATS
        ]) / (rate_hz or header.rate_hz)
        if len(beats_s) < 2:
            raise InvalidInputError(
                "wfdb.no_beats", f"{record}.{self.wanted.annotator} has "
                f"{len(beats_s)} beats; at least 2 are needed", OTHERS)
        return np.unique(beats_s)

    def _seizures(self, record: str, path: str, duration_s: float) -> None:
        if not self.wanted.seizures:
            return
        found = szdb.read(self.source.fetch(self.wanted.seizures), record)
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
    """Prepare the folder of an open set."""
    folder = Folder(out)
    taken = folder.path(README)
    mark = f"`aura fetch {wanted.name}{' --beats' if beats else ''}`"
    if taken.is_file() and mark not in taken.read_text("utf-8", "replace"):
        raise state.error("fetch.taken", out=out)
    folder.try_writing()
    source = Source(wanted.url(base_url), Folder(folder.path(HIDDEN)),
                    progress, wait_s)
    return FetchedTree(wanted, folder, source, beats or not wanted.signals)


def _lead(header: RecordHeader) -> int:
    labels = [signal.label for signal in header.signals]
    if not labels:
        raise UnsupportedError(
            "wfdb.no_signals", f"{header.name} has no signals", OTHERS)
    for wanted in PREFERRED_LEADS:
        if wanted in labels:
            return labels.index(wanted)
    return 0


def _per_second(header: RecordHeader, record: str) -> int:
    if header.rate_hz != int(header.rate_hz) or header.rate_hz < 1:
        raise UnsupportedError(
            "wfdb.rate", f"{record} is sampled at {header.rate_hz:g} Hz; the "
            "rate has to be in whole hertz", OTHERS)
    return int(header.rate_hz)


def _rr_csv(beats_s: Floats) -> bytes:
    """RR intervals in milliseconds, gzipped without a date."""
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
    main = write.Main(
        "EDF", NO_DATE, write.field(f"{patient} X X X"),
        write.startdate(NO_DATE, "X X X"), len(counts) // fs_hz, "1")
    write.samples(stream, main, [write.signal_fields(
        write.field(label if "ECG" in label.upper() else f"ECG {label}", 16),
        write.field(signal.unit, 8),
        (decimal((low - signal.baseline) / signal.gain),
         decimal((high - signal.baseline) / signal.gain)),
        (low, high), fs_hz)], [counts.reshape(-1, fs_hz)])


def _verify(path: Path, counts: NDArray[np.int32]) -> None:
    try:
        with path.open("rb") as stream:
            signal = EcgSignal(stream, read_edf_header(stream), 0)
            same = (signal.sample_count == len(counts) and np.array_equal(
                signal.read_digital(0, len(counts)), counts))
    except CorruptDataError:
        same = False
    if not same:
        raise state.error("disk.full")
