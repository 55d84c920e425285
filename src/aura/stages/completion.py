"""When a run is done: as soon as every sink has finished every batch."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aura.folder import Folder
from aura.platform import blueprint, repository
from aura.stages.run_layout import run_folder


@contextmanager
def noting(folder: Folder, rpc: str, request: Any,
           sinks: str) -> Iterator[None]:
    """Note that a sink begins with a batch, and that it has finished it."""
    run_id = getattr(request, "run_id", "")
    # Of a training's answers only the last one is for all batches.
    if not run_id or not getattr(request, "done", True) or rpc not in (
            sinks.split() or _known_sinks()):
        yield
        return
    begun = f"{run_folder(run_id)}/finished/{rpc}/begun"
    if not folder.path(begun).exists():
        folder.write(begun, b"")
    yield
    finish(folder, rpc, run_id, getattr(request, "batch_index", 0),
           getattr(request, "batch_count", 1), sinks)


def finish(folder: Folder, rpc: str, run_id: str, batch_index: int,
           batch_count: int, sinks: str) -> None:
    """Note a batch that a sink has finished; the last one ends the run."""
    run = run_folder(run_id)
    folder.write(f"{run}/finished/{rpc}/{batch_index:04d}", b"")
    if finished(folder, run_id, sinks) >= {*range(batch_count)}:
        folder.sweep(run, older_s=0)
        folder.write(f"{run}/DONE", b"")


def finished(folder: Folder, run_id: str, sinks: str) -> set[int]:
    """The batches that all sinks of a run have finished."""
    place = folder.path(f"{run_folder(run_id)}/finished")
    # Without a setting the sinks are those that have begun.
    expected = sinks.split() or [
        rpc for rpc in _known_sinks() if (place / rpc).is_dir()]
    found = [{int(path.name) for path in (place / rpc).glob("*")
              if path.name.isdigit()} for rpc in expected]
    return set.intersection(*found) if found else set()


def _known_sinks() -> set[str]:
    """The rpcs at the end of the project's solutions."""
    return {name for text in repository.solutions().values()
            for name in blueprint.read(text).sinks.split()}
