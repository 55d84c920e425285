"""
Annotations beside a recording: which file is used, and how it is read.
"""

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from aura.annotations import bids, szdb, tse, tuh, wfdb
from aura.annotations.annotation import Annotations
from aura.dataset.names import events_stem, recording_stem
from aura.errors import UnsupportedError

EVENTS = "_events.tsv"
# In order of preference. `times.seize` of the folder comes last.
ENDINGS = (".tse_bi", ".tse", EVENTS, ".csv_bi", ".csv",
           *wfdb.SUFFIXES)


def events_of(stem: str) -> str:
    """Name of the BIDS events of a recording's name."""
    return events_stem(stem) + EVENTS


def beside(name: str, names: Mapping[str, str]) -> Iterator[str]:
    """The files of a folder that may annotate a recording, best first."""
    stem = recording_stem(name)
    for ending in ENDINGS:
        wanted = [stem + ending]
        if ending == EVENTS:
            wanted = [events_of(stem)]
        elif ending in wfdb.SUFFIXES:
            wanted.append(name + ending)
        for one in wanted:
            if one.lower() in names:
                yield names[one.lower()]
    if szdb.NAME in names:
        yield names[szdb.NAME]


def read(path: str, content: bytes, record: str,
         start: datetime | None = None,
         rate_hz: float | None = None) -> Annotations | None:
    """Read a file of annotations by the format that its name says."""
    name = posixpath.basename(path).lower()
    if name == szdb.NAME:
        return szdb.read(content, record)
    if name.endswith((".tse", ".tse_bi")):
        return tse.read(content, start)
    if name.endswith(".tsv"):
        return bids.read(content)
    if name.endswith((".csv", ".csv_bi")):
        return tuh.read(content)
    if name.endswith(wfdb.SUFFIXES):
        return wfdb.read(content, rate_hz)
    raise UnsupportedError(
        "annotations.unknown", "by its name this file is of no known format",
        "known are " + ", ".join((*ENDINGS, szdb.NAME)))


def read_alone(path: str, content: bytes) -> Annotations | None:
    """
    Read a file of annotations without its recording.

    Parameters and errors are those of `read`. Formats that label every
    second say by their last row how long the recording is.
    """
    document = read(path, content, posixpath.basename(recording_stem(path)))
    if document is None or document.duration_s is not None:
        return document
    if path.lower().endswith((".tse", ".tse_bi", ".csv", ".csv_bi")):
        end = max((row.end_s for row in document.rows), default=None)
        return replace(document, duration_s=end)
    return document
