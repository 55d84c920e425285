"""One recording from a path or a file object, with its samples at hand."""

import gzip
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

from aura import state
from aura.dataset import find, fit_file
from aura.dataset.assemble import Refused, beats, open_signal, recording
from aura.edf.gaps import GappedSignal
from aura.edf.signal import EcgSignal, PairSignal
from aura.errors import InvalidInputError
from aura.folder import Folder
from aura.recording import Floats, Recording, Signal

Opened = AbstractContextManager[EcgSignal | PairSignal | GappedSignal]


class FileSignal:
    """The ECG of a file, which is opened for each reading and then closed."""

    def __init__(self, opened: Callable[[], Opened],
                 duration_s: float) -> None:
        self._opened = opened
        self.duration_s = duration_s
        with opened() as signal:
            self.fs_hz, self.rails = signal.fs_hz, signal.rails
            self.sample_count = signal.sample_count

    def read(self, start: int, stop: int) -> Floats:
        """Samples ``start`` to ``stop`` (exclusive), NaN in gaps."""
        with self._opened() as signal:
            return signal.read(start, stop)

    def parts(self) -> Iterator[tuple[float, Signal]]:
        """Yield the onset in seconds and the signal of each part."""
        with self._opened() as signal:
            if isinstance(signal, GappedSignal):
                yield from signal.parts()
            else:
                yield 0.0, signal


def read(source: str | os.PathLike[str] | BinaryIO, *,
         ecg_channel: str = "", alias_key: str = "aura",
         strict: bool = False) -> Recording:
    """
    Read a recording: its ECG or beats, annotations, start and patient.

    Annotations come from the file itself (EDF+) or from a file beside it
    (docs/formats.md). The ECG is read from the file when it is used.

    Parameters
    ----------
    source : path or binary file object
        An EDF, EDF+ or BDF recording, or a text or FIT file of beat times
        or RR intervals. A file object has no files beside it.
    ecg_channel : str
        Label of the ECG channel; by default it is found by its label and
        its signal.
    alias_key : str
        Key of the patient's alias (``AURA_ALIAS_KEY``).
    strict : bool
        Whether to refuse a file with faults that could be read, such as a
        cut file; by default they are warnings.

    Returns
    -------
    Recording
        With `signal`, or with `beats` where there is no waveform;
        `problems` lists warnings.

    Raises
    ------
    MissingError
        If there is no such file.
    InvalidInputError
        If the file is a folder, or is not a recording that can be used;
        the rule and the text are those of ``aura inspect``.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import aura
    >>> from aura.synthetic.cohort import write_cohort
    >>> path, = write_cohort(Path(tempfile.mkdtemp()), patients=1, hours=.25)
    >>> night = aura.read(path)
    >>> night.channel, night.unit, night.fs_hz, night.annotation_source
    ('ECG', 'mV', 256.0, 'rec1.tse_bi')
    """
    if not isinstance(source, str | os.PathLike):
        if not hasattr(source, "read"):
            raise state.error("recording.source", name=type(source).__name__)
        return _read_object(source, ecg_channel, alias_key, strict)
    path = Path(source)
    if path.is_dir():
        raise state.error("recording.folder", path=path)
    if not os.path.lexists(path):
        raise state.error("path.missing", path=path)
    path = Path(os.path.abspath(path))
    parent = Path(os.path.realpath(path.parent))
    # The folder above belongs to it: a BIDS session's annotations are there.
    return _read(Folder(parent.parent), os.path.join(parent.name, path.name),
                 ecg_channel, alias_key, strict)


def _read(folder: Folder, path: str, ecg_channel: str, alias_key: str,
          strict: bool) -> Recording:
    candidate, = find.recordings(folder, path)
    found = recording(folder, candidate, ecg_channel, alias_key, strict)
    if isinstance(found, Refused):
        problem = found.problems[0]
        raise InvalidInputError(problem.rule, f"{found.path}: {problem.text}")
    if found.fs_hz is None:
        return replace(found, beats=beats(folder, replace(found, path=path)))
    return replace(found, signal=FileSignal(
        partial(open_signal, folder, found, path), found.duration_s))


def _read_object(stream: BinaryIO, ecg_channel: str, alias_key: str,
                 strict: bool) -> Recording:
    """Keep the bytes in a file of our own for as long as they are needed."""
    content = stream.read()
    if not isinstance(content, bytes):
        raise state.error("recording.text")
    scratch = Path(tempfile.mkdtemp(prefix="aura-"))
    parent = scratch / "file-object"
    parent.mkdir()
    name = f"recording{_ending(content)}"
    (parent / name).write_bytes(content)
    folder = Folder(scratch)
    weakref.finalize(folder, shutil.rmtree, scratch, ignore_errors=True)
    return _read(folder, f"file-object/{name}", ecg_channel, alias_key, strict)


def _ending(content: bytes) -> str:
    """The ending of the name by which this content is known."""
    if content[:8] == b"\xffBIOSEMI":
        return ".bdf"
    if content[:8].rstrip(b" \0") == b"0":
        return ".edf"
    if fit_file.is_one(content):
        return ".fit"
    return ".csv.gz" if content[:2] == gzip.compress(b"")[:2] else ".csv"
