"""Physiological recordings of BIDS: ``*_physio.tsv.gz`` and its JSON."""
# A missing value gets the lowest number, as a signal off its scale.

import contextlib
import gzip
import os
import posixpath
import re
import zlib
from collections.abc import Iterator
from itertools import chain
from typing import Annotated, Any, BinaryIO

import msgspec
import numpy as np
from numpy.typing import NDArray

from aura import state
from aura.dataset.as_edf import BLOCK_ROWS, Waveform, of_numbers
from aura.errors import AuraError, InvalidInputError
from aura.folder import Folder

SUFFIX, SIDECAR = "_physio.tsv.gz", "_physio.json"
SIDECAR_BYTES_MAX, LINE_MAX, TEXT_MAX = 2**20, 2**16, 2**29
Floats32 = NDArray[np.float32]
_ECG = re.compile("e[ck]g|cardiac", re.IGNORECASE)


class Sidecar(msgspec.Struct):
    """What the JSON has to have."""

    rate_hz: Annotated[float, msgspec.Meta(gt=0, le=1e6)] = msgspec.field(
        name="SamplingFrequency")
    columns: Annotated[list[str], msgspec.Meta(
        min_length=1, max_length=99)] = msgspec.field(name="Columns")
    # Of the first sample, in seconds after the onset 0 of the events.
    start_s: float = msgspec.field(name="StartTime", default=0.0)


def has_ecg(folder: Folder, path: str) -> bool:
    """Whether the JSON of a file names a column that may be an ECG."""
    return any(_ECG.search(content.decode("utf-8", "replace"))
               for _, content in _sidecars(folder, path))


def _sidecars(folder: Folder, path: str) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the JSON about a file; the nearest is last."""
    # One in a folder above is about all files whose name has its entities.
    place, name = posixpath.split(path)
    entities = set(name[:-len(SUFFIX)].split("_"))
    parts = place.split("/") if place else []
    for count in range(len(parts) + 1):
        above = "/".join(parts[:count])
        with contextlib.suppress(AuraError, OSError):
            for one in sorted(os.listdir(folder.root / above), key=len):
                if f"_{one.lower()}".endswith(SIDECAR) and entities.issuperset(
                        filter(None, one[:-len(SIDECAR)].split("_"))):
                    with folder.open(posixpath.join(above, one)) as stream:
                        yield one, stream.read(SIDECAR_BYTES_MAX)


def about(folder: Folder, path: str) -> tuple[Sidecar, dict[str, Any]]:
    """What the JSON says of a file."""
    found: dict[str, Any] = {}
    fix, name = "correct it by the BIDS specification", ""
    for name, content in _sidecars(folder, path):
        found |= state.parse(
            content, dict[str, Any], "physio.sidecar", name, fix)
    if not name:
        raise state.error("physio.sidecar")
    return state.convert(found, Sidecar, "physio.sidecar", name, fix), found


def read(folder: Folder, path: str) -> Waveform:
    """Read all of a file; its numbers become counts of 24 bits."""
    sidecar, more = about(folder, path)
    values = _values(folder, path, len(sidecar.columns))
    return of_numbers(
        sidecar.rate_hz, [(column, _unit(more.get(column)))
                          for column in sidecar.columns], len(values),
        lambda: (values[at:at + BLOCK_ROWS]
                 for at in range(0, len(values), BLOCK_ROWS)))


def _values(folder: Folder, path: str, width: int) -> Floats32:
    try:
        with folder.open(path) as stream:
            lines = _lines(stream)
            first = next(lines, "")
            if not first:
                raise _broken("has no rows", "physio.columns")
            values = np.loadtxt(chain([first], lines), np.float32, ndmin=2,
                                comments=None, delimiter="\t")
    except ValueError:
        raise _broken("has a cell that is not a number, or a row of another "
                      "length", "physio.number") from None
    except (zlib.error, EOFError, gzip.BadGzipFile):
        raise state.error("physio.gzip") from None
    if values.shape[1] != width:
        raise _broken(f"has {values.shape[1]} columns, and its JSON {width}",
                      "physio.columns")
    return values


def _lines(stream: BinaryIO) -> Iterator[str]:
    size = 0
    with gzip.open(stream, "rt", encoding="ascii", errors="replace") as text:
        while line := text.readline(LINE_MAX):
            size += len(line)
            if size > TEXT_MAX:
                raise state.error("physio.size", text_max=TEXT_MAX)
            if not line.isspace():
                yield line.replace("n/a", "nan")


def _unit(about: Any) -> str:
    unit = about.get("Units") if isinstance(about, dict) else None
    return unit if isinstance(unit, str) else ""


def _broken(text: str, rule: str) -> InvalidInputError:
    return InvalidInputError(
        rule, f"this file {text}", "correct it by the BIDS specification")
