"""A folder on a drive that cannot lock or sync, or whose disk fails."""

import errno
import os
import threading

import pytest

from aura import folder as module
from aura.errors import AuraError
from aura.folder import PARTIAL, Folder

fcntl = pytest.importorskip("fcntl", reason="there are no locks to take away")


def failing(code):
    def call(*_):
        raise OSError(code, os.strerror(code))
    return call


@pytest.fixture(autouse=True)
def said_before():
    module._say_once.cache_clear()
    yield
    module._say_once.cache_clear()


@pytest.mark.parametrize("code", [
    errno.EINVAL, errno.ENOSYS, errno.ENOTSUP])
def test_a_drive_without_locks_and_sync_is_said_once_and_used(
        tmp_path, monkeypatch, caplog, code):
    monkeypatch.setattr(module, "flock", failing(code))
    monkeypatch.setattr(os, "fsync", failing(code))
    folder = Folder(tmp_path)
    folder.write("count", b"0")

    def add():
        for _ in range(10):
            with folder.locked(".lock"):
                folder.write("count", str(
                    int(folder.read("count")) + 1).encode())

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert folder.read("count") == b"40"
    assert len(caplog.records) == 2
    assert sorted(os.listdir(tmp_path)) == [".lock", "count"]


def test_a_disk_that_fails_is_an_error_and_leaves_the_file(
        tmp_path, monkeypatch):
    folder = Folder(tmp_path)
    folder.write("count", b"0")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing(errno.EIO))
        with pytest.raises(AuraError, match="disk.unwritable"):
            folder.write("count", b"1")
    assert folder.read("count") == b"0"


def test_where_locks_fail_no_writer_is_swept(tmp_path, monkeypatch):
    partial = tmp_path / f"{PARTIAL}0123"
    partial.write_bytes(b"half")
    with monkeypatch.context() as patch:
        patch.setattr(module, "flock", failing(errno.ENOLCK))
        Folder(tmp_path).sweep(older_s=-1)
        assert partial.exists()
    Folder(tmp_path).sweep(older_s=-1)
    assert not partial.exists()
