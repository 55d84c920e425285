"""
Folders on a shared volume: nothing leaves them, nothing is half-written.

A `Folder` opens only regular files that really lie inside it, whatever
``..``, links or a rename during the call suggest. `write` replaces a file as
a whole or not at all: a reader sees the old or the new content, a kill or a
full disk leaves the old one.
"""

import contextlib
import errno
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from aura.errors import (
    ForbiddenError,
    InvalidInputError,
    MissingError,
    PreconditionError,
    ResourceError,
)

PARTIAL = ".partial-"
PARTIAL_MAX_AGE_S = 3600.0
# What this process is writing just now, by full path.
_being_written: set[Path] = set()


class Folder:
    """A folder whose files are named by relative path."""

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.realpath(root))

    def path(self, relative: str) -> Path:
        """Absolute path of a name inside the folder, without looking at it."""
        pure = PurePosixPath(relative)
        if (not relative or "\0" in relative or pure.is_absolute()
                or ".." in pure.parts or len(relative) > 4096):
            raise InvalidInputError(
                "path.outside", "a path must be relative and stay inside",
                "name files relative to the shared folder, without '..'")
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
            descriptor = os.open(
                path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise _read_error(error) from None
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
        """Write a file that takes its name only when it is complete and safe.
        """
        target = self.path(relative)
        partial = target.with_name(f"{PARTIAL}{secrets.token_hex(8)}")
        _being_written.add(partial)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if not self.holds(target.parent):
                raise outside()
            with open(partial, "xb") as stream:
                # Tells `sweep` that the writer lives, on whatever machine.
                with contextlib.suppress(OSError):
                    fcntl.flock(stream, fcntl.LOCK_EX)
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
                os.replace(partial, target)
            _sync_folder(target.parent)
        except OSError as error:
            raise write_error(error) from None
        finally:
            with contextlib.suppress(OSError):
                partial.unlink()
            _being_written.discard(partial)

    def try_writing(self) -> None:
        """Make the folder if need be; errors as for `replace`."""
        name = f"{PARTIAL}{secrets.token_hex(8)}"
        self.write(name, b"").unlink()

    def sweep(self, below: str = ".",
              older_s: float = PARTIAL_MAX_AGE_S) -> None:
        """
        Remove what killed writers left; what is being written stays.

        Other threads and processes may write meanwhile: the same call can
        come several times at once.
        """
        limit = time.time() - older_s
        for path in self.path(below).rglob(f"{PARTIAL}*"):
            with contextlib.suppress(OSError):
                if (path not in _being_written
                        and path.lstat().st_mtime <= limit
                        and not _held(path)):
                    path.unlink()


def _held(path: Path) -> bool:
    """Whether somebody is writing a file; False where none can tell."""
    with open(path, "rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
    return False


def not_regular() -> InvalidInputError:
    """The error for a folder, FIFO, device or socket given as a file."""
    return InvalidInputError(
        "path.not_regular", "this is not a regular file",
        "pipes, devices and sockets are not read")


def outside() -> ForbiddenError:
    """The error for a path that leads out of its folder."""
    return ForbiddenError(
        "path.outside", "this path leads out of its folder",
        "copy the file into the folder, or name its real folder as input")


def _real_path(descriptor: int, path: Path) -> Path:
    # What was opened counts, not what the name means by now.
    link = Path(f"/proc/self/fd/{descriptor}")
    return Path(os.readlink(link)) if link.exists() else path


def _read_error(error: OSError) -> Exception:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return MissingError("path.missing", "there is no such file")
    if error.errno in (errno.EACCES, errno.EPERM):
        return ForbiddenError(
            "path.unreadable", "this file may not be read",
            "give the user that runs this the right to read it")
    if error.errno == errno.ELOOP:
        return ForbiddenError("path.loop", "this link leads to itself")
    return ResourceError("path.read", f"reading failed: {error.strerror}")


def write_error(error: OSError) -> Exception:
    """The error for a file that could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return ResourceError(
            "disk.full", "there is no space left to write to",
            "free some space and repeat; nothing was overwritten")
    if error.errno in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR):
        return PreconditionError(
            "disk.unwritable", "the folder cannot be written: something else "
            f"has its name or that of a file in it: {error.strerror}",
            "remove that, or name another folder")
    return PreconditionError(
        "disk.unwritable", f"the folder cannot be written: {error.strerror}",
        "make it writable for the user that runs this")


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
