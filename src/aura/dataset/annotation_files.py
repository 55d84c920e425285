"""
Annotation files: which of them belong to a recording, and how to read one.
"""

import contextlib
import os
import posixpath
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from aura.annotations import bids, lists, szdb, table_text, tse, tuh, wfdb
from aura.annotations.annotation import Annotations
from aura.annotations.data_tables import table
from aura.dataset.names import (
    PACKED,
    events_stem,
    recording_stem,
    says_beats,
)
from aura.errors import ResourceError, UnsupportedError
from aura.folder import Folder

EVENTS = "_events.tsv"
TSE = (".tse_bi", ".tse")
TUH = (".csv_bi", ".csv")
# By preference; exports follow, and lists of a whole folder come last.
ENDINGS = (*TSE, EVENTS, *TUH, *wfdb.SUFFIXES)
WAVEFORMS = (".edf", ".bdf", ".rec", *PACKED)
BYTES_MAX = 64 * 2**20
_FILES: dict[str, list[str]] = table("file_names.toml")
TEXTS, MARKUP, TABLES, SHEETS, DOCUMENTS, LISTS, PACKED_AS = (
    tuple(_FILES[name]) for name in (
        "texts", "markup", "tables", "sheets", "documents", "lists",
        "packed_as"))
_WORDS = "|".join(_FILES["words"])
_ABOUT, _INSIDE, _SEIZURE, _TIME = (
    re.compile(rf"(?<![^\W\d_])(?:{words})(?![^\W\d_])") for words in (
        _WORDS, "|".join((_WORDS, *_FILES["inside"])),
        "|".join(_FILES["seizure"]), r"\d+[:.]\d\d[:.]\d\d|\d+(?:\.\d+)?"))
_OF_A_SET = re.compile("|".join(_FILES["of_a_set"]))
_BIDS = ("sub-", "ses-", "task-")


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


def unread(paths: Iterable[str], recordings: Iterable[str], here: str,
           head: Callable[[str], bytes]) -> dict[str, list[str]]:
    """
    Files that may be annotations of a recording, by its stem in lower case.

    Those of ``""`` may be lists of all recordings here. The files are in the
    folder of the recordings, or in one that it is in.
    """
    stems = {}
    for recording in recordings:
        stem = recording_stem(recording).lower()
        stems[stem] = stems[events_stem(stem)] = stem
    found: dict[str, list[str]] = {}
    for path in paths:
        folder, name = posixpath.split(path)
        plain = name.lower()
        while plain.endswith(PACKED_AS):
            plain = posixpath.splitext(plain)[0]
        plain = plain.removeprefix(".")
        # PhysioNet has lists such as RECORDS-WITH-SEIZURES.
        if (not plain.endswith(LISTS) and "." in plain
                or _OF_A_SET.match(plain)):
            continue
        ends = (at for at in range(len(plain), 0, -1)
                if not plain[at:at + 1].isalnum())
        owner = next((stems[plain[:at]] for at in ends
                      if plain[:at] in stems), "")
        about = bool(_ABOUT.search(plain[len(owner):]))
        if plain.startswith(_BIDS):
            # In BIDS a name says whose it is, and what.
            owners = [owner] if owner else [
                stem for stem in {*stems.values()} if _fits(plain, stem)]
            for one in owners if about else ():
                found.setdefault(one, []).append(path)
        elif (about or plain.endswith(TABLES if owner else SHEETS)
              or owner and plain.endswith(TEXTS) and _INSIDE.search(
                  _begin(head(path)))
              or not owner and folder == here and _is_list(
                  plain, path, head)):
            found.setdefault(owner, []).append(path)
    return found


def _fits(events: str, stem: str) -> bool:
    """Whether no entity of a BIDS name says that it is of another run."""
    one, other = (dict(part.split("-", 1) for part in name.split("_")
                       if "-" in part) for name in (events, stem))
    return all(other.get(key, value).lstrip("0") == value.lstrip("0")
               for key, value in one.items())


def _is_list(name: str, path: str, head: Callable[[str], bytes]) -> bool:
    """Whether a file of any name may be a list of seizures."""
    if not name.endswith((*TEXTS, *MARKUP)):
        return name.endswith(DOCUMENTS)
    text = _begin(head(path))
    return bool(_SEIZURE.search(text) and _TIME.search(text))


def _begin(head: bytes) -> str:
    if head[:2] == b"\x1f\x8b":
        with contextlib.suppress(zlib.error):
            head = zlib.decompressobj(31).decompress(head, 4 * len(head))
    return table_text.decoded(head)[0].lower()


def recordings_beside(folder: Folder, path: str) -> list[str]:
    """Stems of the recordings in the folder of a file, sorted."""
    with contextlib.suppress(OSError):
        return sorted(
            recording_stem(name) for name in os.listdir(
                folder.root / posixpath.dirname(path))
            if name.lower().endswith(WAVEFORMS) or says_beats(name))
    return []


def unmatched(folder: Folder, path: str, record: str) -> list[str]:
    """
    Names in a list that mean no recording in its folder.

    They are listed once, for the first recording there.
    """
    name = posixpath.basename(path).lower()
    if not (lists.is_one(name) or name == szdb.NAME):
        return []
    beside = recordings_beside(folder, path)
    if beside[:1] != [record]:
        return []
    names = szdb.names if name == szdb.NAME else lists.names
    return lists.unmatched(names(read_bytes(folder, path)), beside)


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
         rate_hz: float | None = None,
         beside: Sequence[str] = ()) -> Annotations | None:
    """
    Read an annotation file in the format that its name says.

    None means that a list of many recordings does not name this one.
    """
    name = posixpath.basename(path).lower()
    if name.endswith(wfdb.SUFFIXES):
        return wfdb.read(content, rate_hz)
    if name == szdb.NAME:
        document = szdb.read(content, record)
    elif lists.is_one(name):
        document = lists.read(content, record, start, beside)
    elif name.endswith(TSE):
        document = tse.read(content, start)
    elif name.endswith(".tsv") or name.endswith(TEXTS) and bids.is_export(
            content[:bids.HEAD_BYTES]):
        document = bids.read(content, start)
    elif name.endswith(TUH):
        document = tuh.read(content)
    else:
        raise UnsupportedError(
            "annotations.unknown", "the name of this file is not that of an "
            "annotation file", "allowed endings and names are "
            + ", ".join((*ENDINGS, szdb.NAME)))
    return document and replace(
        document, recoded=table_text.decoded(content)[1])


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
