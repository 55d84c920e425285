"""FIT files from their parts, by the definition of the format."""

import struct
from collections.abc import Iterable

RECORD, HRV, FILE_ID = 20, 78, 0
# Number of the field, size in bytes, type; all little endian.
FIELDS = {FILE_ID: ((0, 1, 0x00),), RECORD: ((253, 4, 0x86), (3, 1, 0x02)),
          HRV: ((0, 10, 0x84),)}
INVALID = 65535
_CRC = [0x0000, 0xCC01, 0xD801, 0x1400, 0xF001, 0x3C00, 0x2800, 0xE401,
        0xA001, 0x6C00, 0x7800, 0xB401, 0x5000, 0x9C01, 0x8801, 0x4400]


def crc(content: bytes) -> int:
    """The check sum of FIT."""
    value = 0
    for byte in content:
        for part in (byte & 15, byte >> 4):
            value = (value >> 4 & 0x0FFF) ^ _CRC[value & 15] ^ _CRC[part]
    return value


def define(local: int, number: int) -> bytes:
    """The message that says what those of a kind are made of."""
    fields = FIELDS[number]
    return struct.pack("<BBBHB", 0x40 | local, 0, 0, number, len(
        fields)) + b"".join(struct.pack("<BBB", *one) for one in fields)


def hrv(values: Iterable[int]) -> bytes:
    """A message with up to five intervals in milliseconds."""
    listed = [*values]
    return struct.pack("<B5H", 2, *listed, *[INVALID] * (5 - len(listed)))


def record(time_s: int, heart_rate: int = 70) -> bytes:
    """A message with a time in seconds of FIT, and a heart rate."""
    return struct.pack("<BIB", 1, time_s, heart_rate)


def fit(messages: Iterable[bytes]) -> bytes:
    """A whole file with these messages."""
    body = (define(0, FILE_ID) + b"\x00\x04" + define(1, RECORD)
            + define(2, HRV) + b"".join(messages))
    head = struct.pack("<BBHI4s", 14, 0x20, 2132, len(body), b".FIT")
    head += struct.pack("<H", crc(head))
    return head + body + struct.pack("<H", crc(head + body))
