"""Recordings that are packed with gzip, unpacked where they are read."""

import contextlib
import gzip
import tempfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from aura.dataset.names import PACKED
from aura.errors import CorruptDataError, ResourceError
from aura.folder import Folder

UNPACKED_MAX = 2 * 2**30
BLOCK_BYTES = 2**20


@contextlib.contextmanager
def open_recording(folder: Folder, path: str) -> Iterator[BinaryIO]:
    """Open a recording; a packed one is unpacked into a file without name."""
    with folder.open(path) as stream:
        if not path.lower().endswith(PACKED):
            yield stream
            return
        with tempfile.TemporaryFile() as plain:
            for block in _blocks(stream):
                plain.write(block)
            plain.flush()
            yield plain


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    """The content of a packed EDF or BDF, or the begin of another file."""
    size = 0
    try:
        with gzip.GzipFile(fileobj=stream) as plain:
            while block := plain.read(BLOCK_BYTES):
                if not size and block[:1] not in (b"0", b"\xff"):
                    # The reader says that this is no recording.
                    yield block
                    return
                size += len(block)
                if size > UNPACKED_MAX:
                    raise ResourceError(
                        "edf.gzip_size", "the unpacked recording has more "
                        f"than {UNPACKED_MAX} bytes", "unpack it with gunzip")
                yield block
        if not size:
            raise EOFError
    except (zlib.error, EOFError, gzip.BadGzipFile):
        raise CorruptDataError(
            "edf.gzip", "this file cannot be unpacked: it is cut off or "
            "damaged", "copy it again from its source") from None
