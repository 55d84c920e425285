"""
Which recordings lie in a folder, and which annotations belong to them.

Nothing is opened here: names and kinds of directory entries decide, so that
ten thousand files are listed in a moment. The order is that of the names,
folder by folder, and the same on every machine.
"""

import os
import posixpath
import stat
import unicodedata
from dataclasses import dataclass

from aura.errors import AuraError, Problem
from aura.workspace import Folder, not_regular, outside

SUFFIXES = (".edf", ".bdf")
# Annotations of the TUH corpus since its version 2.
UNREAD = (".csv_bi", ".csv")
# Beside an ecg/ folder a BIDS session's other modalities are passed over.
OTHER_MODALITIES = ("eeg", "emg", "mov")


@dataclass(frozen=True)
class Candidate:
    """
    A file that by its name is a recording, or what stands in its place.

    Parameters
    ----------
    path : str
        Location relative to the `Folder` that was searched, with ``/``;
        printable, so that only without a `problem` it can be opened.
    name : str
        The same relative to the input: the subfolder that was searched.
    annotations : str or None
        Path of the annotations that belong to it, relative to the folder.
    problem : Problem or None
        Why it cannot be read. An error is an input that is refused; a
        warning says that nothing is lost, such as a second way to a folder.
    unread : str or None
        Path of a file that by its name has annotations of a kind that is
        not read, where there are no others.
    """

    path: str
    name: str
    annotations: str | None = None
    problem: Problem | None = None
    unread: str | None = None


def find(folder: Folder, subfolder: str = "") -> list[Candidate]:
    """
    Find the recordings in a tree.

    Parameters
    ----------
    folder : Folder
        Nothing outside of it is followed.
    subfolder : str, optional
        Input inside the folder: where to search, or one single file.

    Returns
    -------
    list of Candidate
        In stable order. Files that are no recordings and hidden entries are
        passed over, and so are the other modalities of a BIDS session that
        has a file ``ecg/*_ecg.edf``. Links to files inside the folder are
        followed. Of two recordings whose names differ in their ending only
        the second is refused, since both would have the same output.

    A single file is taken for a recording whatever its ending. What is not
    there, or leads out of the folder, is one candidate with that problem.

    Raises
    ------
    InvalidInputError
        ``path.outside`` if `subfolder` is absolute or climbs with ``..``.
    """
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

    def candidate(self, path: str, name: str) -> Candidate:
        """A recording here, with what belongs to it."""
        entry = posixpath.basename(path)
        sidecar = self.annotations_of(entry)
        return Candidate(path, name, sidecar, unread=(
            self._beside(entry, UNREAD) if sidecar is None else None))

    def _beside(self, name: str, suffixes: tuple[str, ...]) -> str | None:
        stem = posixpath.splitext(name)[0]
        for suffix in suffixes:
            sidecar = self.names.get((stem + suffix).lower())
            if sidecar is not None:
                return self.join(sidecar)
        return None

    def annotations_of(self, name: str) -> str | None:
        """Path of the annotations that belong to a recording here."""
        sidecar = self._beside(name, (".tse_bi", ".tse"))
        if sidecar is not None:
            return sidecar
        stem = posixpath.splitext(name)[0]
        run, _, modality = stem.rpartition("_")
        events = f"{run if modality in ('ecg', 'eeg') else stem}_events.tsv"
        if events.lower() in self.names:
            return self.join(self.names[events.lower()])
        session, here = posixpath.split(self.path)
        if here == "ecg":
            beside = posixpath.join(session, "eeg", events)
            # Also what cannot be read: it is refused, not passed over.
            if os.path.lexists(self.folder.root / beside):
                return beside
        return None


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
            stems: set[str] = set()
            for entry in listing.entries:
                if entry.name in skipped:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if not self._misnamed(listing.join(entry.name)):
                        pending.append(listing.join(entry.name))
                elif entry.is_symlink() or _is_recording(entry.name):
                    self._file(listing, entry, stems)

    def _file(self, listing: _Listing, entry: os.DirEntry[str],
              stems: set[str]) -> None:
        path = listing.join(entry.name)
        try:
            target = os.stat(self._folder.root / path)
        except OSError:
            if _is_recording(entry.name):
                self._unreadable(path)
            return
        is_folder = stat.S_ISDIR(target.st_mode)
        if not is_folder and not _is_recording(entry.name):
            return
        if self._misnamed(path):
            return
        stem = posixpath.splitext(entry.name)[0]
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
            self.found.append(listing.candidate(path, self._relative(path)))

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
    return name.lower().endswith(SUFFIXES)
