"""
Which recordings lie in a folder, and which annotations belong to them.

Names and kinds of directory entries decide, so that ten thousand files are
listed in a moment; only of a CSV the header is read, since it alone says
what the file is. The order is that of the names, folder by folder, and the
same on every machine.
"""

import os
import posixpath
import stat
import unicodedata
from dataclasses import dataclass

from aura.annotations import tuh
from aura.dataset import beat_files, sidecars
from aura.dataset.names import is_csv, recording_stem, says_beats
from aura.errors import AuraError, Problem
from aura.folder import Folder, not_regular, outside

SUFFIXES = (".edf", ".bdf")
ECG = "ecg"
# Beside an ecg/ folder a BIDS session's other modalities are passed over.
OTHER_MODALITIES = ("eeg", "emg", "mov")

Finding = tuple[str, Problem]


@dataclass(frozen=True)
class Candidate:
    """A file that by its name is a recording, or what stands in its place."""

    # Location relative to the `Folder` that was searched, with ``/``;
    # printable, so that only without a `problem` it can be opened.
    path: str
    # The same relative to the input: the subfolder that was searched.
    name: str
    # Path of the annotations that belong to it, relative to the folder.
    annotations: str | None = None
    # Why it cannot be read. An error is an input that is refused; a warning
    # says that nothing is lost, such as a second way to a folder.
    problem: Problem | None = None
    # ``ecg`` for a waveform, ``beats`` for beat times, ``rr`` for intervals.
    form: str = ECG
    # Paths of further annotations that belong to it and are not used.
    others: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """The name without what says its format."""
        return recording_stem(self.name)


def find(folder: Folder, subfolder: str = "") -> list[Candidate]:
    """Find the recordings in a tree."""
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

    def __init__(self, folder: Folder, path: str) -> None:
        self.folder, self.path = folder, path
        self.problem: Problem | None = None
        self.entries: list[os.DirEntry[str]] = []
        try:
            with os.scandir(folder.root / path) as entries:
                self.entries = sorted(
                    (entry for entry in entries
                     if not entry.name.startswith(".")),
                    key=lambda entry: os.fsencode(entry.name))
        except OSError as error:
            self.problem = Problem(
                "path.unreadable", "error", "this folder cannot be listed: "
                f"{error.strerror}; give the user that runs this the right "
                "to read it")
        self.names = {entry.name.lower(): entry.name
                      for entry in reversed(self.entries)}

    def join(self, name: str) -> str:
        """Path of an entry relative to the folder."""
        return posixpath.join(self.path, name)

    def has_ecg_folder(self) -> bool:
        """Whether this is a BIDS session with an ECG of its own."""
        return any(
            name.endswith("_ecg.edf") for entry in self.entries
            if entry.name == "ecg" and entry.is_dir(follow_symlinks=False)
            for name in _Listing(self.folder, self.join("ecg")).names)

    def candidate(self, path: str, name: str,
                  form: str | None = None) -> Candidate:
        """A recording here, with what belongs to it."""
        entry = posixpath.basename(path)
        if form is None:
            form = self.form_of(entry) if is_csv(entry) else ECG
        beside = [self.join(known) for known in sidecars.beside(
            entry, self.names) if known != entry
            and self._annotates(known)]
        beside += self._in_session(entry)
        return Candidate(
            path, name, beside[0] if beside else None,
            form=form or beat_files.BEATS, others=tuple(beside[1:]))

    def form_of(self, name: str) -> str | None:
        """Whether a CSV here holds beats or intervals, by its header."""
        form = beat_files.form_of(self._head(name))
        # What calls itself beats is refused with a reason, not passed over.
        return form or (beat_files.BEATS if says_beats(name) else None)

    def _head(self, name: str) -> bytes:
        try:
            with self.folder.open(self.join(name)) as stream:
                return stream.read(beat_files.HEAD_BYTES)
        except (AuraError, OSError):
            return b""

    def _annotates(self, name: str) -> bool:
        return not name.lower().endswith(".csv") or tuh.is_one(
            self._head(name))

    def _in_session(self, name: str) -> list[str]:
        """Events of a BIDS session, which lie with its EEG."""
        session, here = posixpath.split(self.path)
        if here != "ecg":
            return []
        beside = posixpath.join(
            session, "eeg", sidecars.events_of(recording_stem(name)))
        # Also what cannot be read: it is refused, not passed over.
        return ([beside] if os.path.lexists(self.folder.root / beside)
                else [])


class _Search:
    """One walk through a tree; remembers where it has been."""

    def __init__(self, folder: Folder, base: str) -> None:
        self._folder, self._base = folder, base
        self._visited: set[tuple[int, int]] = set()
        self._linked: list[str] = []
        self.found: list[Candidate] = []

    def run(self) -> list[Candidate]:
        """Walk; real folders first, so that no link hides a real path."""
        self._walk(self._base)
        while self._linked:
            path = self._linked.pop(0)
            if self._is_new(path, remember=False):
                self._walk(path)
            else:
                self._refuse(path, Problem(
                    "path.linked", "warning", "this link leads to a folder "
                    "that is searched anyway; its recordings are read once"))
        return sorted(self.found, key=lambda candidate: candidate.name)

    def _walk(self, start: str) -> None:
        pending = [start]
        while pending:
            path = pending.pop()
            if not self._is_new(path):
                continue
            listing = _Listing(self._folder, path)
            if listing.problem is not None:
                self._refuse(path, listing.problem)
            skipped = OTHER_MODALITIES if listing.has_ecg_folder() else ()
            stems: set[tuple[str, str]] = set()
            for entry in listing.entries:
                if entry.name in skipped:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if not self._misnamed(listing.join(entry.name)):
                        pending.append(listing.join(entry.name))
                elif (entry.is_symlink() or _is_recording(entry.name)
                      or is_csv(entry.name)):
                    self._file(listing, entry, stems)

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
            self._refuse(path, Problem(
                "path.same_stem", "error", "another recording in this folder "
                "has the same name but for the ending, and would have the "
                "same output; rename one"))
        else:
            stems.add(stem)
            self.found.append(
                listing.candidate(path, self._relative(path), form))

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
            return True  # listing it will say what is wrong
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


def list_files(folder: Folder, endings: tuple[str, ...]) -> tuple[
        list[str], list[Finding]]:
    """Paths of files in a tree, without hidden ones and linked folders."""
    paths: list[str] = []
    problems: list[Finding] = []

    def unreadable(error: OSError) -> None:
        place = os.path.relpath(str(error.filename), folder.root)
        problems.append((printable(place), Problem(
            "path.unreadable", "error",
            f"this folder cannot be listed: {error.strerror}; give the user "
            "that runs this the right to read it")))

    for here, folders, names in os.walk(folder.root, onerror=unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        base = os.path.relpath(here, folder.root)
        paths += [posixpath.normpath(posixpath.join(base, name))
                  for name in names if not name.startswith(".")
                  and name.lower().endswith(endings)]
    return sorted(paths), problems


def printable(path: str) -> str:
    """A path with every byte escaped that is no UTF-8 or no text."""
    shown = path.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(
        c if unicodedata.category(c) != "Cc" else f"\\x{ord(c):02x}"
        for c in shown)


def _name_problem(path: str) -> Problem | None:
    if printable(path) == path:
        return None
    return Problem(
        "path.name", "error", "this name has bytes that are not UTF-8, or "
        "control characters; rename it")


def _is_recording(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) or says_beats(name)


def _form(listing: _Listing, name: str) -> str | None:
    if name.lower().endswith(SUFFIXES):
        return ECG
    return listing.form_of(name) if is_csv(name) else None
