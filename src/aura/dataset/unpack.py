"""Recordings that are packed or of another format, opened as EDF."""

import contextlib
import gzip
import tempfile
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

from aura import state
from aura.dataset import ishne, mne_raw, physio, wfdb_record
from aura.dataset.names import PACKED
from aura.dataset.as_edf import Waveform
from aura.folder import Folder

# By the ending of a name. What has another one is read as EDF.
READERS: dict[str, Callable[[Folder, str], Waveform]] = {
    wfdb_record.SUFFIX: wfdb_record.read, ishne.SUFFIX: ishne.read,
    physio.SUFFIX: physio.read}
# Endings that other files have too; their begin or their JSON decides.
SHARED = (ishne.SUFFIX, physio.SUFFIX)
UNPACKED_MAX = 2 * 2**30
BLOCK_BYTES = 2**20


@contextlib.contextmanager
def open_recording(folder: Folder, path: str) -> Iterator[BinaryIO]:
    """Open a recording; a file without a name has what is no plain EDF."""
    name = path.lower()
    reader = next((read for ending, read in READERS.items()
                   if name.endswith(ending)), None)
    if name.endswith(mne_raw.endings()):
        reader = mne_raw.read
    with folder.open(path) as stream:
        if name.endswith(ishne.SUFFIX) and stream.read(8) != ishne.MAGIC:
            reader = None
        if reader is None and not name.endswith(PACKED):
            yield stream
            return
        with tempfile.TemporaryFile() as plain:
            if reader is not None:
                reader(folder, path).write(plain)
            else:
                plain.writelines(_blocks(stream))
            plain.seek(0)
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
                    raise state.error("edf.gzip_size", most=UNPACKED_MAX)
                yield block
        if not size:
            raise EOFError
    except (zlib.error, EOFError, gzip.BadGzipFile):
        raise state.error("edf.gzip") from None
