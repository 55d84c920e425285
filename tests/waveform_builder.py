"""ISHNE and BIDS physio files made field by field, valid or not."""

import binascii
import gzip
import struct


def ishne(counts, fs_hz=250, checksum=None, resolution=1000):
    """An ISHNE file."""
    head = bytearray(512)
    width = counts.shape[1]
    struct.pack_into("<4ih", head, 0, 0, len(counts), 522, 522, 1)
    head[98:106] = b"ID 0042\0"
    struct.pack_into("<3h", head, 128, 2, 3, 2021)
    struct.pack_into("<3h", head, 140, 7, 8, 9)
    struct.pack_into("<h", head, 146, width)
    struct.pack_into(f"<{width}h", head, 148, *range(6, 6 + width))
    struct.pack_into(f"<{width}h", head, 196, *[resolution] * width)
    struct.pack_into("<h", head, 262, fs_hz)
    found = binascii.crc_hqx(bytes(head), 0xFFFF)
    return (b"ISHNE1.0" + struct.pack(
        "<H", found if checksum is None else checksum)
        + bytes(head) + counts.astype("<i2").tobytes())


def physio(columns):
    """The table of a BIDS physio file."""
    return gzip.compress("".join("\t".join(
        "n/a" if cell != cell else f"{cell:.9g}" for cell in row) + "\n"
        for row in zip(*columns, strict=True)).encode(), mtime=0)
