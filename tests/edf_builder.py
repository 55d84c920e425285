"""
EDF and BDF files made field by field, valid or not.

Independent of the reader and the writer. Every field may be given as text or
bytes. It is padded with spaces and never checked.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

Text = str | bytes


@dataclass(frozen=True)
class Channel:
    """One signal; `digital` has a row of samples for each record."""

    label: Text = "ECG"
    unit: Text = "mV"
    physical: tuple[Text, Text] = ("-5", "5")
    range: tuple[Text, Text] = ("-32768", "32767")
    digital: np.ndarray = field(
        default_factory=lambda: heart(60, 256))
    samples: Text | None = None
    transducer: Text = ""
    prefilter: Text = ""
    reserved: Text = ""


@dataclass(frozen=True)
class File:
    """A whole recording; None is the value that fits the channels."""

    channels: tuple[Channel, ...] = field(
        default_factory=lambda: (Channel(),))
    notes: tuple[Sequence[bytes], ...] = ()
    version: bytes = b"0"
    patient: Text = "P01 X X X"
    recording: Text = "Startdate 02-MAR-2021 X X X"
    date: Text = "02.03.21"
    time: Text = "10.20.30"
    header_bytes: Text | None = None
    reserved: Text = ""
    records: Text | None = None
    duration: Text = "1"
    count: Text | None = None
    note_label: Text = "EDF Annotations"

    def with_channel(self, **changes: object) -> "File":
        """The same file with its first channel changed."""
        first = replace(self.channels[0], **changes)
        return replace(self, channels=(first, *self.channels[1:]))

    def bytes(self) -> bytes:
        """The file's content."""
        sample_bytes = 3 if self.version.startswith(b"\xff") else 2
        signals = [(c, _integers(c.digital, sample_bytes))
                   for c in self.channels]
        for blocks in self.notes:
            width = max(map(len, blocks)) + 1
            width += -width % sample_bytes
            signals.append((
                Channel(self.note_label, "", ("-1", "1"), _limits(
                    sample_bytes), np.empty(0)),
                [block.ljust(width, b"\0") for block in blocks]))
        body = b"".join(
            b"".join(row) for row in zip(*(rows for _, rows in signals),
                                         strict=True))
        return self._header(signals, sample_bytes) + body

    def _header(self, signals: list, sample_bytes: int) -> bytes:
        count = str(len(signals)) if self.count is None else self.count
        size = (str(256 * (len(signals) + 1)) if self.header_bytes is None
                else self.header_bytes)
        records = (str(len(signals[0][1])) if self.records is None
                   else self.records)
        main = [(self.version, 8), (self.patient, 80), (self.recording, 80),
                (self.date, 8), (self.time, 8), (size, 8),
                (self.reserved, 44), (records, 8), (self.duration, 8),
                (count, 4)]
        columns = [
            ([c.label for c, _ in signals], 16),
            ([c.transducer for c, _ in signals], 80),
            ([c.unit for c, _ in signals], 8),
            ([c.physical[0] for c, _ in signals], 8),
            ([c.physical[1] for c, _ in signals], 8),
            ([c.range[0] for c, _ in signals], 8),
            ([c.range[1] for c, _ in signals], 8),
            ([c.prefilter for c, _ in signals], 80),
            ([str(len(rows[0]) // sample_bytes) if c.samples is None
              else c.samples for c, rows in signals], 8),
            ([c.reserved for c, _ in signals], 32)]
        return b"".join(_pad(text, width) for text, width in main) + b"".join(
            _pad(text, width) for column, width in columns
            for text in column)


def plus(onsets: Sequence[float] = range(60), texts: Sequence[bytes] = (),
         kind: str = "EDF+C", **changes: object) -> File:
    """An EDF+ file whose records start at `onsets`; `texts` in the first."""
    blocks = [b"+%s\x14\x14\0" % number(onset) for onset in onsets]
    blocks[0] += b"".join(texts)
    changes.setdefault(
        "channels", (Channel(digital=heart(len(blocks), 256)),))
    if kind.startswith("BDF"):
        changes |= {"version": b"\xffBIOSEMI",
                    "note_label": "BDF Annotations"}
    return File(notes=(blocks,), reserved=kind, **changes)


def tal(onset: float, duration: float | None, *texts: str) -> bytes:
    """One annotation as the specification writes it."""
    length = b"" if duration is None else b"\x15" + number(duration)
    return (b"%+d" % onset if onset == int(onset) else b"+" + number(onset)) \
        + length + b"\x14" + b"".join(
            text.encode() + b"\x14" for text in texts) + b"\0"


def number(value: float) -> bytes:
    """A number as plain decimal text."""
    return f"{value:.6f}".rstrip("0").rstrip(".").encode()


def heart(records: int, rate: int, gain: float = 3000,
          bpm: float = 72) -> np.ndarray:
    """Digital samples like an ECG: a row for each record of one second."""
    time = np.arange(records * rate) / rate
    phase = (time * bpm / 60) % 1.0
    beat = np.exp(-((phase - 0.3) / 0.015) ** 2)
    wave = 0.2 * np.exp(-((phase - 0.6) / 0.06) ** 2)
    noise = np.random.default_rng(7).normal(0, 0.01, time.size)
    return np.round(gain * (beat + wave + noise)).astype(
        np.int64).reshape(records, rate)


def noise(records: int, rate: int, gain: float = 3000) -> np.ndarray:
    """Digital samples without beats."""
    samples = np.random.default_rng(8).normal(0, gain, records * rate)
    return np.clip(samples, -32768, 32767).astype(
        np.int64).reshape(records, rate)


def _integers(digital: np.ndarray, sample_bytes: int) -> list[bytes]:
    wide = np.asarray(digital, "<i4")
    if sample_bytes == 2:
        return [row.tobytes() for row in wide.astype("<i2")]
    raw = wide.view(np.uint8).reshape(*wide.shape, 4)[..., :3]
    return [row.tobytes() for row in raw]


def _limits(sample_bytes: int) -> tuple[str, str]:
    limit = 1 << (8 * sample_bytes - 1)
    return str(-limit), str(limit - 1)


def _pad(text: Text, width: int) -> bytes:
    raw = text.encode("latin-1") if isinstance(text, str) else text
    assert len(raw) <= width, (raw, width)
    return raw.ljust(width, b" ")
