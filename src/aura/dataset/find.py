"""The recordings in a folder, and the annotation files of each."""
# Only names and kinds of directory entries decide, so that ten thousand files
# are listed at once. Texts are the exception: their begin says what they are.

import os
import posixpath
import re
import stat
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from aura import state
from aura.annotations import bids, lists, tuh
from aura.dataset import (
    annotation_files, beat_files, beat_layout, ishne, mne_raw, physio,
    wfdb_record)
from aura.dataset.annotation_files import Unknown
from aura.dataset.names import (
    PACKED, events_stem, may_hold_beats, printable, recording_stem,
    says_beats)
from aura.dataset.patients import Patient, identity_of
from aura.dataset.unpack import READERS, SHARED
from aura.errors import AuraError, Problem, plural
from aura.folder import Folder, not_regular, outside

SUFFIXES = (".edf", ".bdf", *PACKED, *READERS.keys() - SHARED)
# Endings that other formats have too, and how a recording begins.
MAYBE = {".rec": b"0       ", ishne.SUFFIX: ishne.MAGIC}
NOT_READ: dict[str, str] = state.beside(__file__)["not_read"]
_NUMERIC = re.compile(rb"\s*[+-]?\d+(?:[.,]\d*)?(?:[\s;,]+[+-]?\d[\d.,]*)*\s*")
ECG = "ecg"
# Folders of a BIDS session that are not searched if it has an ecg/ folder.
OTHER_MODALITIES = ("eeg", "emg", "mov")

Finding = tuple[str, Problem]

_OTHER_PART = re.compile(r"\d|_[a-z]+-")


@dataclass(frozen=True)
class Candidate:
    """A file that is a recording by its name, not opened yet."""

    # Location relative to the `Folder` that was searched, with ``/``. It is
    # escaped if there is a `problem`, and does not open the file then.
    path: str
    # The same relative to the input, the subfolder that was searched.
    name: str
    # Path of the preferred annotation file, relative to the folder.
    annotations: str | None = None
    # Why it is not used; with a warning nothing is lost.
    problem: Problem | None = None
    # ``ecg`` for a waveform, ``beats`` for beat times, ``rr`` for intervals.
    form: str = ECG
    # Paths of its other annotation files, by preference.
    others: tuple[str, ...] = ()
    # Paths of files beside it that may be annotations, but are not read.
    unread: tuple[str, ...] = ()
    patient: Patient | None = None  # As the user names the patient

    def patient_in(self, folder: Folder, header_patient: str = "") -> Patient:
        """The patient: as the user says, else by header and names."""
        return self.patient or identity_of(folder, self.path, header_patient)

    @property
    def stem(self) -> str:
        """The name without its ending and form."""
        return recording_stem(self.name)


def recordings(folder: Folder, subfolder: str = "") -> list[Candidate]:
    """Find the recordings in a folder and the folders in it."""
    root = folder.path(subfolder) if subfolder else folder.root
    base = "" if root == folder.root else str(root.relative_to(folder.root))
    if root.is_dir() and folder.holds(root):
        return _Search(folder, base).run()
    return [_single(folder, base)]


def _single(folder: Folder, path: str) -> Candidate:
    parent, name = posixpath.split(path)
    problem = _name_problem(path)
    if problem is not None:
        return Candidate(printable(path), printable(name), None, problem)
    try:
        if not folder.holds(folder.root / path):
            raise outside()
        with folder.open(path):
            pass
    except AuraError as error:
        return Candidate(path, name, None, error.problem)
    return _Listing(folder, parent).candidate(path, name)


class _Listing:
    """Names in one folder, without hidden ones, sorted."""

    def __init__(self, folder: Folder, path: str,
                 above: tuple[Unknown, ...] = ()) -> None:
        self.folder, self.path = folder, path
        self._above = above  # Files in the folders that this one is in
        self.problem: Problem | None = None
        entries: list[os.DirEntry[str]] = []
        try:
            with os.scandir(folder.root / path) as found:
                entries = sorted(
                    found, key=lambda entry: os.fsencode(entry.name))
        except OSError as error:
            self.problem = _unlisted(error)
        self.entries = [entry for entry in entries
                        if not entry.name.startswith(".")]
        self._all = entries
        self.names = {entry.name.lower(): entry.name
                      for entry in reversed(self.entries)}
        self.headers = [name for one, name in self.names.items()
                        if one.endswith(wfdb_record.SUFFIX)]
        self._forms: dict[str, str | None] = {}

    def join(self, name: str) -> str:
        """Path of an entry relative to the folder."""
        return posixpath.join(self.path, name)

    def has_ecg_folder(self) -> bool:
        """Whether this is a BIDS session with an ECG."""
        return any(
            name.endswith("_ecg.edf") for entry in self.entries
            if entry.name == "ecg" and entry.is_dir(follow_symlinks=False)
            for name in _Listing(self.folder, self.join("ecg")).names)

    def candidate(self, path: str, name: str,
                  form: str | None = None) -> Candidate:
        """A recording in this folder, with its annotation files."""
        entry = posixpath.basename(path)
        if form is None:
            form = self.form_of(entry) if may_hold_beats(entry) else ECG
        if form is None:
            # An EDF can have any name, if the user gives it.
            form = (ECG if entry.lower().endswith(".txt")
                    else beat_layout.BEATS)
        beside = [self.join(known) for known in annotation_files.beside(
            entry, self.names) if known != entry
            and self._annotates(known)]
        beside += self._in_session(entry)
        stem = recording_stem(entry).lower()
        unread = [*self._unread.get(stem, ()), *self._unread.get("", ())]
        beside += [one for one in unread if one not in beside
                   and self._is_read(one, stem)]
        return Candidate(
            path, name, beside[0] if beside else None,
            form=form, others=tuple(beside[1:]),
            unread=tuple(one for one in unread if one not in beside))

    def _is_read(self, path: str, stem: str) -> bool:
        """Whether a file is a list, or an export of this recording."""
        folder, name = posixpath.split(path)
        rest = name.lower().removeprefix(stem)
        # Another number or a BIDS entity names another part.
        return folder == self.path and not name.startswith(".") and (
            lists.is_one(name) or (
                rest != name.lower() and not _OTHER_PART.search(rest)
                and name.lower().endswith(annotation_files.TEXTS)
                and bids.is_export(self._head(name))))

    @cached_property
    def unknown(self) -> tuple[Unknown, ...]:
        """Files here that are no recordings, then those beside and above."""
        here = Unknown(
            self.join(entry.name) for entry in self._all
            if not (entry.is_dir(follow_symlinks=False)
                    or entry.is_symlink() and os.path.isdir(entry.path)
                    or _form(self, entry.name)))
        session, name = posixpath.split(self.path)
        beside = _Listing(self.folder, posixpath.join(
            session, "eeg")).unknown if name == "ecg" else ()
        return here, *beside, *self._above

    @cached_property
    def _unread(self) -> dict[str, list[str]]:
        return annotation_files.unread(
            self.unknown, [entry.name for entry in self.entries
                           if _form(self, entry.name)], self._head_of)

    @cached_property
    def joined(self) -> set[str]:
        """Records here that are segments of another one."""
        return set[str]().union(*(
            wfdb_record.segments(self._head(name)) - {recording_stem(name)}
            for name in self.headers))

    def form_of(self, name: str) -> str | None:
        """Whether a CSV here holds beats or intervals, by its header."""
        if name not in self._forms:
            form = beat_files.form_of(self._head(name))
            # The reader says why a file with such a name is no beat file.
            self._forms[name] = form or (
                beat_layout.BEATS if says_beats(name) else None)
        return self._forms[name]

    def is_waveform(self, name: str) -> bool:
        """Whether a file is a recording, by its begin or its JSON."""
        plain = name.lower()
        if plain.endswith(physio.SUFFIX):
            return physio.has_ecg(self.folder, self.join(name))
        begin = MAYBE.get(posixpath.splitext(plain)[1])
        return begin is not None and self._head(name)[:8].replace(
            b"\0", b" ") == begin

    def is_numeric(self, name: str) -> bool:
        """Whether a text here has nothing but numbers in its first rows."""
        rows = self._head(name).split(b"\n")[:9]
        return (len(rows) > 1 or len(rows[0].split()) > 9) and all(
            map(_NUMERIC.fullmatch, rows[1:-1])) and (
                bool(_NUMERIC.fullmatch(rows[0])) or len(rows) > 3)

    def _head(self, name: str) -> bytes:
        return self._head_of(self.join(name))

    def _head_of(self, path: str) -> bytes:
        try:
            with self.folder.open(path) as stream:
                return stream.read(beat_files.HEAD_BYTES)
        except (AuraError, OSError):
            return b""

    def _annotates(self, name: str) -> bool:
        return not name.lower().endswith(".csv") or tuh.is_one(
            self._head(name))

    def _in_session(self, name: str) -> list[str]:
        """Events of a BIDS session, which are in its eeg/ folder."""
        session, here = posixpath.split(self.path)
        if here != "ecg":
            return []
        beside = posixpath.join(
            session, "eeg", annotation_files.events_of(recording_stem(name)))
        # A file that cannot be read counts too: it is an error then.
        return ([beside] if os.path.lexists(self.folder.root / beside) else [])


class _Search:
    """One walk through a tree that enters each folder once."""

    def __init__(self, folder: Folder, base: str) -> None:
        self._folder, self._base = folder, base
        self._visited: set[tuple[int, int]] = set()
        self._linked: list[str] = []
        self.found: list[Candidate] = []
        self._not_read: Counter[str] = Counter()
        self._unknown: dict[str, tuple[Unknown, ...]] = {}

    def run(self) -> list[Candidate]:
        """Walk through real folders first: paths are better than links."""
        self._walk(self._base)
        while self._linked:
            path = self._linked.pop(0)
            if self._is_new(path, remember=False):
                self._walk(path)
            else:
                self._refuse(path, state.problem("path.linked"))
        found = sorted(self.found, key=lambda candidate: candidate.name)
        if self._not_read:
            found.append(Candidate(
                self._base or ".", ".", None, _not_read(self._not_read)))
        return found

    def _walk(self, start: str) -> None:
        pending = [start]
        while pending:
            path = pending.pop()
            if not self._is_new(path):
                continue
            listing = _Listing(self._folder, path, self._unknown.get(
                posixpath.dirname(path), ()) if path else ())
            self._unknown[path] = listing.unknown
            if listing.problem is not None:
                self._refuse(path, listing.problem)
            skipped = OTHER_MODALITIES if listing.has_ecg_folder() else ()
            stems: set[tuple[str, str]] = set()
            for entry in listing.entries:
                if entry.name in skipped:
                    if entry.name == "eeg":
                        self._count_eeg(listing)
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if not self._misnamed(listing.join(entry.name)):
                        pending.append(listing.join(entry.name))
                elif recording_stem(entry.name) in listing.joined and (
                        entry.name.lower().endswith(wfdb_record.SUFFIX)):
                    continue  # The record that joins it is read.
                elif (entry.is_symlink() or _is_recording(entry.name)
                      or may_hold_beats(entry.name)
                      or listing.is_waveform(entry.name)):
                    self._file(listing, entry, stems)
                else:
                    self._count(listing, entry.name)

    def _file(self, listing: _Listing, entry: os.DirEntry[str],
              stems: set[tuple[str, str]]) -> None:
        path = listing.join(entry.name)
        try:
            target = os.stat(self._folder.root / path)
        except OSError:
            if _is_recording(entry.name):
                self._unreadable(path)
            return
        is_folder = stat.S_ISDIR(target.st_mode)
        form = None if is_folder else _form(listing, entry.name)
        if not is_folder and form is None:
            self._count(listing, entry.name)
            return
        if self._misnamed(path):
            return
        stem = (recording_stem(entry.name), form or "")
        if not self._folder.holds(self._folder.root / path):
            self._refuse(path, outside().problem)
        elif is_folder:
            self._linked.append(path)
        elif not stat.S_ISREG(target.st_mode):
            self._refuse(path, not_regular().problem)
        elif stem in stems:
            self._refuse(path, state.error("path.same_stem").problem)
        else:
            stems.add(stem)
            self.found.append(
                listing.candidate(path, self._relative(path), form))

    def _count(self, listing: _Listing, name: str) -> None:
        """Count a file that may be a recording of another make."""
        ending = next((one for one in NOT_READ
                       if name.lower().endswith(one)), "")
        if ending and (ending not in (".txt", ".csv")
                       or listing.is_numeric(name)) and not (
                           ending == ".dat" and listing.headers):
            self._not_read[f"{NOT_READ[ending]} ({ending})"] += 1

    def _count_eeg(self, session: _Listing) -> None:
        """Count the runs of a BIDS session that have an EEG only."""
        eeg, ecg = ({events_stem(recording_stem(name)) for name in _Listing(
            self._folder, session.join(kind)).names if name.endswith(SUFFIXES)}
            for kind in ("eeg", "ecg"))
        for _ in eeg - ecg:
            self._not_read["run in eeg/ without one in ecg/"] += 1

    def _unreadable(self, path: str) -> None:
        try:
            with self._folder.open(path):
                pass
        except AuraError as error:
            self._refuse(path, error.problem)

    def _misnamed(self, path: str) -> bool:
        problem = _name_problem(path)
        if problem is not None:
            self._refuse(path, problem)
        return problem is not None

    def _is_new(self, path: str, remember: bool = True) -> bool:
        try:
            status = os.stat(self._folder.root / path)
        except OSError:
            return True  # the error is reported when it is listed
        key = (status.st_dev, status.st_ino)
        new = key not in self._visited
        if remember:
            self._visited.add(key)
        return new

    def _relative(self, path: str) -> str:
        return path[len(self._base) + 1:] if self._base else path

    def _refuse(self, path: str, problem: Problem) -> None:
        self.found.append(Candidate(
            printable(path), printable(self._relative(path)), None, problem))


def files(folder: Folder, endings: tuple[str, ...]) -> tuple[
        list[str], list[Finding]]:
    """Paths of all files with these endings; hidden ones are left out."""
    paths: list[str] = []
    problems: list[Finding] = []

    def unlisted(error: OSError) -> None:
        place = os.path.relpath(str(error.filename), folder.root)
        problems.append((printable(place), _unlisted(error)))

    for here, folders, names in os.walk(folder.root, onerror=unlisted):
        folders[:] = [name for name in folders if not name.startswith(".")]
        base = os.path.relpath(here, folder.root)
        paths += [posixpath.normpath(posixpath.join(base, name))
                  for name in names if not name.startswith(".")
                  and name.lower().endswith(endings)]
    return sorted(paths), problems


def _not_read(kinds: Counter[str]) -> Problem:
    listed = ", ".join(f"{count} {kind}"
                       for kind, count in sorted(kinds.items()))
    count = kinds.total()
    return state.problem(
        "path.not_read", files=plural(count, "file"), listed=listed,
        verb="is" if count == 1 else "are")


def _unlisted(error: OSError) -> Problem:
    return state.error("path.unreadable", why=error.strerror).problem


def _name_problem(path: str) -> Problem | None:
    if printable(path) == path:
        return None
    return state.error("path.name").problem


def _is_recording(name: str) -> bool:
    return name.lower().endswith(
        (*SUFFIXES, *mne_raw.endings())) or says_beats(name)


def _form(listing: _Listing, name: str) -> str | None:
    if name.lower().endswith((*SUFFIXES, ".rec", *mne_raw.endings())) or (
            listing.is_waveform(name)):
        return ECG
    return listing.form_of(name) if may_hold_beats(name) else None
