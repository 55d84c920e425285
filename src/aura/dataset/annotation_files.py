"""
Annotation files: which of them belong to a recording, and how to read one.
"""

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from aura.annotations import bids, lists, szdb, tse, tuh, wfdb
from aura.annotations.annotation import Annotations
from aura.dataset.names import events_stem, recording_stem
from aura.errors import ResourceError, UnsupportedError
from aura.folder import Folder

EVENTS = "_events.tsv"
TSE = (".tse_bi", ".tse")
TUH = (".csv_bi", ".csv")
# By preference; exports follow, and lists of a whole folder come last.
ENDINGS = (*TSE, EVENTS, *TUH, *wfdb.SUFFIXES)
BYTES_MAX = 64 * 2**20
# Endings of files that may hold annotations: with the name of a recording, or
# with a word that says so. Texts of the first kind have such a word inside.
TEXTS = (".txt", ".csv", ".tsv")
TABLES = (*ENDINGS, *TEXTS, ".xls", ".xlsx", ".ods", ".xml", ".evt", ".mrk",
          ".vmrk", ".ann", ".annot")
LISTS = (*TABLES, ".json", ".mat", ".log", ".doc", ".docx", ".pdf", ".odt")
_WORDS = (r"seizures?|szs?|annot[a-z]*|events?|markers?|marks|labels?|notes?|"
          r"anf[a\u00e4]ll[a-z]*|crisis|crises?|ictal|summary|scoring")
_ABOUT = re.compile(rf"(?<![^\W\d_])(?:{_WORDS})(?![^\W\d_])")
_INSIDE = re.compile(rf"(?<![^\W\d_])(?:{_WORDS}|onset|start|begin|\d\d?[:.]"
                     r"\d\d[:.]\d\d)(?![^\W\d_])")


def events_of(stem: str) -> str:
    """Name of the BIDS events that belong to a recording's stem."""
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


def unread(names: Iterable[str], recordings: Iterable[str],
           head: Callable[[str], bytes]) -> dict[str, list[str]]:
    """
    Files that may be annotations of a recording, by its stem in lower case.

    Those of ``""`` may be lists of the whole folder.
    """
    stems = {}
    for recording in recordings:
        stem = recording_stem(recording).lower()
        stems[stem] = stems[events_stem(stem)] = stem
    found: dict[str, list[str]] = {}
    for name in names:
        lower = name.lower()
        # PhysioNet has lists such as RECORDS-WITH-SEIZURES.
        if not lower.endswith(LISTS) and "." in lower:
            continue
        ends = (at for at in range(len(lower), 0, -1)
                if not lower[at:at + 1].isalnum())
        owner = next((stems[lower[:at]] for at in ends
                      if lower[:at] in stems), "")
        about = bool(_ABOUT.search(lower[len(owner):]))
        # In BIDS a name says whose it is, and what.
        if (about and bool(owner) if lower.startswith("sub-") else
                about or bool(owner) and lower.endswith(TABLES) and (
                    not lower.endswith(TEXTS) or bool(_INSIDE.search(
                        head(name).decode("latin-1").lower())))):
            found.setdefault(owner, []).append(name)
    return found


def read_bytes(folder: Folder, path: str) -> bytes:
    """All bytes of an annotation file."""
    with folder.open(path) as stream:
        read = stream.read(BYTES_MAX + 1)
    if len(read) > BYTES_MAX:
        raise ResourceError(
            "annotations.size", "the annotation file has more than "
            f"{BYTES_MAX} bytes", "remove annotations that are no seizures")
    return read


def read(path: str, content: bytes, record: str,
         start: datetime | None = None,
         rate_hz: float | None = None) -> Annotations | None:
    """
    Read an annotation file in the format that its name says.

    None means that a list of many recordings does not name this one.
    """
    name = posixpath.basename(path).lower()
    if name == szdb.NAME:
        return szdb.read(content, record)
    if lists.is_one(name):
        return lists.read(content, record, start)
    if name.endswith(TSE):
        return tse.read(content, start)
    if name.endswith(".tsv") or name.endswith(TEXTS) and bids.is_export(
            content[:bids.HEAD_BYTES]):
        return bids.read(content, start)
    if name.endswith(TUH):
        return tuh.read(content)
    if name.endswith(wfdb.SUFFIXES):
        return wfdb.read(content, rate_hz)
    raise UnsupportedError(
        "annotations.unknown", "the name of this file is not that of an "
        "annotation file", "allowed endings and names are "
        + ", ".join((*ENDINGS, szdb.NAME)))


def read_alone(path: str, content: bytes) -> Annotations | None:
    """Read an annotation file that has no recording beside it."""
    document = read(path, content, posixpath.basename(recording_stem(path)))
    if document is None or document.duration_s is not None:
        return document
    if path.lower().endswith((*TSE, *TUH)):
        # These formats label every second, so the last row ends the recording.
        end = max((row.end_s for row in document.rows), default=None)
        return replace(document, duration_s=end)
    return document
