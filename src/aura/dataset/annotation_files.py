"""
Annotation files: which of them belong to a recording, and how to read one.
"""

import contextlib
import os
import posixpath
import re
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from aura import state
from aura.annotations import bids, lists, szdb, table_text, tse, tuh, wfdb
from aura.annotations.annotation import Annotations
from aura.dataset.names import PACKED, events_stem, recording_stem, says_beats
from aura.dataset.unpack import READERS
from aura.folder import Folder

EVENTS = "_events.tsv"
TSE = (".tse_bi", ".tse")
TUH = (".csv_bi", ".csv")
# By preference; exports follow, and lists of a whole folder come last.
ENDINGS = (*TSE, EVENTS, *TUH, *wfdb.SUFFIXES)
WAVEFORMS = (".edf", ".bdf", ".rec", *READERS, *PACKED)
BYTES_MAX = 64 * 2**20
_FILES: dict[str, list[str]] = state.beside(__file__)
TEXTS, MARKUP, SHEETS, DOCUMENTS, OTHERS, PACKED_AS = (
    tuple(_FILES[name]) for name in (
        "texts", "markup", "sheets", "documents", "others", "packed_as"))
TABLES = (*TSE, EVENTS, ".csv_bi", *wfdb.SUFFIXES, *SHEETS, *DOCUMENTS,
          *OTHERS)
LISTS = (*TABLES, *TEXTS, *MARKUP, ".seize", ".md")
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


class Unknown:
    """The files of one folder that may be annotations, by their names."""
    # All folders in it look into this table, so the work grows with the files
    # and not with the pairs of files and folders.

    def __init__(self, paths: Iterable[str]) -> None:
        self.plain: dict[str, str] = {}  # Name of each file, for comparisons
        self.lists: list[str] = []  # Of any recording, by their names
        self.others: list[str] = []
        self._by_begin: dict[str, list[str]] = defaultdict(list)
        self._events: dict[str, list[str]] = defaultdict(list)  # By subject
        for path in paths:
            plain = posixpath.basename(path).lower()
            while plain.endswith(PACKED_AS):
                plain = posixpath.splitext(plain)[0]
            plain = plain.removeprefix(".")
            # PhysioNet has lists such as RECORDS-WITH-SEIZURES.
            if (not plain.endswith(LISTS) and "." in plain
                    or _OF_A_SET.match(plain)):
                continue
            self.plain[path] = plain
            for at in range(1, len(plain) + 1):
                if not plain[at:at + 1].isalnum():
                    self._by_begin[plain[:at]].append(path)
            if not plain.startswith(_BIDS):
                (self.lists if _ABOUT.search(plain) or plain.endswith(SHEETS)
                 else self.others).append(path)
            elif _ABOUT.search(plain):
                self._events[_subject(plain)].append(path)

    def owners(self, stems: Mapping[str, str]) -> dict[str, str]:
        """The recordings with whose names files begin; the longest counts."""
        return {path: stems[stem] for stem in sorted(stems, key=len)
                for path in self._by_begin.get(stem, ())}

    def events(self, stem: str) -> Iterator[str]:
        """Files of BIDS names that may be about a run."""
        subject = _subject(stem)
        for known in {subject, ""} if subject else self._events:
            for path in self._events.get(known, ()):
                if _fits(self.plain[path], stem):
                    yield path


def unread(folders: Sequence[Unknown], recordings: Iterable[str],
           head: Callable[[str], bytes]) -> dict[str, list[str]]:
    """Files that may be annotations of a recording, by its stem."""
    # Those of "" may be lists of all recordings here. The first folder is that
    # of the recordings; it is in the others, or beside them.
    stems = {}
    for recording in recordings:
        stem = recording_stem(recording).lower()
        stems[stem] = stems[events_stem(stem)] = stem
    found: dict[str, list[str]] = defaultdict(list)
    for files in folders if stems else ():
        owners = files.owners(stems)
        for path in sorted(owners):
            if _is_of(files.plain[path], owners[path], path, head):
                found[owners[path]].append(path)
        for stem in {*stems.values()}:
            found[stem] += [path for path in files.events(stem)
                            if path not in owners]
        found[""] += [
            path for path in files.lists if path not in owners] + [
            path for path in files.others if path not in owners
            and files is folders[0] and _is_list(
                files.plain[path], path, head)]
    return found


def _is_of(name: str, owner: str, path: str,
           head: Callable[[str], bytes]) -> bool:
    """Whether a file with the name of a recording may hold annotations."""
    if _ABOUT.search(name[len(owner):]):
        return True
    # In BIDS a name says what it is.
    return not name.startswith(_BIDS) and (name.endswith(TABLES) or (
        name.endswith(TEXTS) and bool(_INSIDE.search(_begin(head(path))))))


def _fits(events: str, stem: str) -> bool:
    """Whether no entity of a BIDS name says that it is of another run."""
    other = _entities(stem)
    return all(other.get(key, value) == value
               for key, value in _entities(events).items())


def _subject(name: str) -> str:
    return _entities(name).get("sub", "")


def _entities(name: str) -> dict[str, str]:
    """Entities of a BIDS name, without the zeros that a number begins with."""
    return {key: value.lstrip("0") for key, _, value in (
        part.partition("-") for part in name.split("_")) if value}


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


def recordings_beside(folder: Folder, path: str) -> tuple[str, ...]:
    """Stems of the recordings in the folder of a file, sorted."""
    place = folder.root / posixpath.dirname(path)
    with contextlib.suppress(OSError):
        return _recordings_in(place, os.stat(place).st_mtime_ns)
    return ()


@lru_cache(maxsize=4)
def _recordings_in(place: Path, changed_ns: int) -> tuple[str, ...]:
    """The same; each recording in a folder asks, so it is listed once."""
    return tuple(sorted(
        recording_stem(name) for name in os.listdir(place)
        if name.lower().endswith(WAVEFORMS) or says_beats(name)))


def unmatched(folder: Folder, path: str, record: str) -> list[str]:
    """Names in a list that mean no recording in its folder."""
    # They are listed once, for the first recording there.
    name = posixpath.basename(path).lower()
    if not (lists.is_one(name) or name == szdb.NAME):
        return []
    beside = recordings_beside(folder, path)
    if beside[:1] != (record,):
        return []
    names = szdb.names if name == szdb.NAME else lists.names
    return lists.unmatched(names(read_bytes(folder, path)), beside)


def read_bytes(folder: Folder, path: str) -> bytes:
    """All bytes of an annotation file."""
    with folder.open(path) as stream:
        read = stream.read(BYTES_MAX + 1)
    if len(read) > BYTES_MAX:
        raise state.error("annotations.size", bytes_max=BYTES_MAX)
    return read


def read(path: str, content: bytes, record: str,
         start: datetime | None = None,
         rate_hz: float | None = None,
         beside: Sequence[str] = ()) -> Annotations | None:
    """Read an annotation file in the format that its name says."""
    # None means that a list of many recordings does not name this one.
    name = posixpath.basename(path).lower()
    if name.endswith(wfdb.SUFFIXES):
        return wfdb.read(content, rate_hz, name.endswith(wfdb.BEATS_TOO))
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
        raise state.error(
            "annotations.unknown", known=", ".join((*ENDINGS, szdb.NAME)))
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
