"""ISHNE Holter recordings: one header, then the leads sample by sample."""
# Source: https://doi.org/10.1111/j.1542-474X.1998.tb00353.x

import binascii
import os
import struct
from collections.abc import Iterator
from datetime import datetime
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from aura import state
from aura.dataset.as_edf import BLOCK_ROWS, DAYS_MAX, Lead, Waveform
from aura.errors import AuraError
from aura.folder import Folder

SUFFIX, MAGIC = ".ecg", b"ISHNE1.0"
HEADER_BYTES, CHECKED_FROM = 522, 10
LEADS_MAX, RATE_MAX_HZ = 12, 10_000
NAMES = ("", "bipolar", "X", "Y", "Z", "I", "II", "III", "aVR", "aVL", "aVF",
         "V1", "V2", "V3", "V4", "V5", "V6", "ES", "AS", "AI")
NANOVOLTS = 1e6  # In a millivolt


def read(folder: Folder, path: str) -> Waveform:
    """Read the header; the samples are read when they are written."""
    with folder.open(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        head = stream.read(HEADER_BYTES)
        if len(head) < HEADER_BYTES:
            raise _damaged("its header is cut off")
        checksum, _, claimed, _, offset = struct.unpack_from("<H4i", head, 8)
        if not HEADER_BYTES <= offset <= size:
            raise _damaged("its samples begin outside the file")
        checked = head[CHECKED_FROM:] + stream.read(offset - HEADER_BYTES)
    found = binascii.crc_hqx(checked, 0xFFFF)
    # Some programs write no checksum, or swap its bytes.
    if checksum not in (0, found, found >> 8 | (found & 0xFF) << 8):
        raise _damaged("its header does not have the checksum that it gives")
    count, = struct.unpack_from("<h", head, 156)
    rate_hz, = struct.unpack_from("<h", head, 272)
    if not (0 < count <= LEADS_MAX and 0 < rate_hz <= RATE_MAX_HZ):
        raise _damaged(f"it has {count} leads at {rate_hz} Hz")
    length = (size - offset) // (2 * count)
    # Some programs count the samples of all leads together.
    if claimed != (size - offset) // 2 and (
            length < claimed <= DAYS_MAX * 86400 * rate_hz):
        length = claimed  # The file was cut off
    codes, resolutions = (struct.unpack_from(f"<{count}h", head, at)
                          for at in (158, 206))
    if min(resolutions) <= 0:
        raise _damaged("a lead has no resolution")

    def blocks() -> Iterator[NDArray[np.int32]]:
        with folder.open(path) as stream:
            stream.seek(offset)
            yield from _blocks(stream, count)

    return Waveform(
        rate_hz, tuple(Lead(
            f"ECG {NAMES[code] if 0 < code < len(NAMES) else number}", "mV",
            NANOVOLTS / resolution, 0, -2**15, 2**15 - 1)
            for number, (code, resolution) in enumerate(
                zip(codes, resolutions, strict=True), 1)),
        length, blocks, _start(head),
        _text(head[108:128]) or "_".join(filter(None, (
            _text(head[68:108]), _text(head[28:68])))))


def _blocks(stream: BinaryIO, count: int) -> Iterator[NDArray[np.int32]]:
    while content := stream.read(BLOCK_ROWS * count * 2):
        whole = len(content) // (2 * count) * count
        yield np.frombuffer(content, "<i2", whole).reshape(
            -1, count).astype(np.int32)


def _start(head: bytes) -> datetime | None:
    day, month, year = struct.unpack_from("<3h", head, 138)
    try:
        return datetime(year, month, day,
                        *struct.unpack_from("<3h", head, 150))
    except ValueError:
        return None


def _text(raw: bytes) -> str:
    return "_".join(raw.split(b"\0")[0].decode("latin-1").split())


def _damaged(text: str) -> AuraError:
    return state.error("ishne.header", text=text)
