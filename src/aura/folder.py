"""Safe reading, writing and locking of files in one folder."""
# Only regular files that really lie inside are opened. Without locks (Windows,
# some drives) they hold between the threads of one process only.

import contextlib
import errno
import functools
import logging
import os
import secrets
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import BinaryIO

from aura.errors import (
    ISSUES, AuraError, ForbiddenError, InvalidInputError, MissingError,
    PreconditionError, Problem, ResourceError, frames_of)

try:
    from fcntl import LOCK_EX, LOCK_NB, flock
    _UNIX = True
except ImportError:
    _UNIX = False

_LOG = logging.getLogger(__name__)
# What drives answer that cannot sync, such as some of CIFS and vboxsf.
_NO_SYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
PARTIAL = ".partial-"
PARTIAL_MAX_AGE_S = 3600.0
_being_written: set[Path] = set()  # By full path
_threads = threading.Lock()
_READ = (os.O_RDONLY | getattr(os, "O_BINARY", 0)
         | getattr(os, "O_NONBLOCK", 0))
_LOCK = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)


class Folder:
    """A folder whose files are named by relative path."""

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.realpath(root))

    def path(self, relative: str) -> Path:
        """Absolute path of a name inside the folder, without looking at it."""
        pure = PurePath(relative)
        if (not relative or "\0" in relative or pure.anchor
                or ".." in pure.parts or len(relative) > 4096):
            raise InvalidInputError(
                "path.outside", "the path does not stay inside its folder",
                "give a path relative to the shared folder, without '..'")
        return self.root / pure

    @contextlib.contextmanager
    def open(self, relative: str) -> Iterator[BinaryIO]:
        """Open a regular file that really lies inside the folder."""
        descriptor = self._descriptor(self.path(relative))
        with os.fdopen(descriptor, "rb") as stream:
            yield stream

    def _descriptor(self, path: Path) -> int:
        try:
            if not stat.S_ISREG(os.stat(path).st_mode):
                raise not_regular()
            descriptor = os.open(path, _READ)
        except OSError as error:
            raise read_error(error) from None
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise not_regular()
            if not self.holds(_real_path(descriptor, path)):
                raise outside()
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def holds(self, path: Path) -> bool:
        """Whether a path, all links followed, lies inside the folder."""
        return Path(os.path.realpath(path)).is_relative_to(self.root)

    def read(self, relative: str) -> bytes:
        """Whole content of a small file; errors as for `open`."""
        with self.open(relative) as stream:
            return stream.read()

    def write(self, relative: str, content: bytes) -> Path:
        """Replace a file as a whole; errors as for `replace`."""
        with self.replace(relative) as stream:
            stream.write(content)
        return self.path(relative)

    @contextlib.contextmanager
    def replace(self, relative: str) -> Iterator[BinaryIO]:
        """Write a file that takes its name only when it is complete."""
        target = self.path(relative)
        partial = target.with_name(f"{PARTIAL}{secrets.token_hex(8)}")
        _being_written.add(partial)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if not self.holds(target.parent):
                raise outside()
            with open(partial, "xb") as stream:
                # Tells `sweep` on every machine that the writer lives.
                _lock(stream.fileno())
                yield stream
                stream.flush()
                _sync(stream.fileno())
                if not _UNIX:
                    # Windows does not rename an open file.
                    stream.close()
                os.replace(partial, target)
            _sync_folder(target.parent)
        except OSError as error:
            raise write_error(error) from None
        finally:
            with contextlib.suppress(OSError):
                partial.unlink()
            _being_written.discard(partial)

    @contextlib.contextmanager
    def locked(self, relative: str) -> Iterator[None]:
        path = self.path(relative)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # The file stays: a lock on a removed file keeps nothing out.
            descriptor = os.open(path, _LOCK, 0o644)
        except OSError as error:
            raise write_error(error) from None
        try:
            if _lock(descriptor):
                yield
            else:
                with _threads:
                    yield
        finally:
            os.close(descriptor)

    def try_writing(self) -> None:
        """Make the folder if needed; errors as for `replace`."""
        name = f"{PARTIAL}{secrets.token_hex(8)}"
        self.write(name, b"").unlink()

    def sweep(self, below: str = ".",
              older_s: float = PARTIAL_MAX_AGE_S) -> None:
        """Remove what killed writers left; nothing that is being written."""
        limit = time.time() - older_s
        for path in self.path(below).rglob(f"{PARTIAL}*"):
            with contextlib.suppress(OSError):
                if (path not in _being_written
                        and path.lstat().st_mtime <= limit
                        and not _held(path)):
                    path.unlink()


def _lock(descriptor: int) -> bool:
    """Wait for the lock of an open file; False where there are no locks."""
    if not _UNIX:
        return False
    try:
        flock(descriptor, LOCK_EX)
    except OSError:
        _say_once("this folder has no locks; let only one program at a time "
                  "write to it")
        return False
    return True


def _held(path: Path) -> bool:
    """Whether a process may be writing a file."""
    if not _UNIX:
        # Windows removes no open file.
        return False
    with open(path, "rb") as stream:
        try:
            flock(stream, LOCK_EX | LOCK_NB)
        except OSError:
            return True
    return False


def not_regular() -> InvalidInputError:
    """The error for a folder, pipe, device or socket given as a file."""
    return InvalidInputError(
        "path.not_regular", "this is not a regular file",
        "folders, pipes, devices and sockets cannot be read as one")


def outside() -> ForbiddenError:
    """The error for a path that leads out of its folder."""
    return ForbiddenError(
        "path.outside", "this path leads out of its folder",
        "copy the file into the folder, or give its real folder as input")


def _real_path(descriptor: int, path: Path) -> Path:
    # The opened file counts, even if its name was given to another one.
    link = Path(f"/proc/self/fd/{descriptor}")
    return Path(os.readlink(link)) if link.exists() else path


def read_error(error: OSError | AuraError) -> AuraError:
    """The error for a file that could not be read."""
    if isinstance(error, AuraError):
        return error
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return MissingError("path.missing", "this file does not exist")
    if error.errno in (errno.EACCES, errno.EPERM):
        return ForbiddenError(
            "path.unreadable", "no permission to read this file",
            "give the user that runs aura read permission")
    if error.errno == errno.ELOOP:
        return ForbiddenError("path.loop", "this link leads to itself",
                              "put the file in the place of the link")
    return ResourceError(
        "path.read", f"cannot read this file: {error.strerror}",
        "check the disk or the network drive, and try again")


def problem_of(error: Exception) -> Problem:
    """The finding about one input that an exception stands for."""
    # An unforeseen error affects only this input. The log has the place in the
    # code, but neither content nor name of the input.
    if isinstance(error, AuraError):
        return error.problem
    if isinstance(error, OSError):
        return read_error(error).problem
    if isinstance(error, (MemoryError, ModuleNotFoundError)):
        # The next input would fail too.
        raise error
    kind = type(error).__name__
    _LOG.error("unforeseen %s\n%s", kind, frames_of(error))
    return Problem(
        "input.unforeseen", "error", f"aura cannot read this file: {kind}; "
        f"please report it with the frames in the log at {ISSUES}")


def write_error(error: OSError) -> AuraError:
    """The error for a file that could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return ResourceError(
            "disk.full", "the disk is full",
            "free some space and try again; no file was overwritten")
    if error.errno in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR):
        return PreconditionError(
            "disk.unwritable", "cannot write to this folder: another file "
            f"or folder has a name that is needed: {error.strerror}",
            "remove that, or give another folder")
    return PreconditionError(
        "disk.unwritable", f"cannot write to this folder: {error.strerror}",
        "give the user that runs aura write permission")


def _sync_folder(path: Path) -> None:
    if not _UNIX:
        # Windows opens no folders.
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
        _say_once("this folder cannot sync; a power failure may lose files "
                  "that were just written")


@functools.cache
def _say_once(text: str) -> None:
    _LOG.warning(text)
