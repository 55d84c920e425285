"""Which recordings are new: those that no run has finished yet."""

import time
from collections.abc import Sequence

from aura import state
from aura.dataset.find import Candidate
from aura.errors import AuraError
from aura.folder import Folder
from aura.stages import completion
from aura.stages.run_layout import RUNS, Input, run_folder

ARRIVALS = "arrivals.json"
# What was changed more recently may still be on its way into the folder.
SETTLED_S = 60.0

State = tuple[int, int] | None


def new(folder: Folder, run_id: str, source: Input,
        listed: Sequence[Candidate], sinks: str) -> list[Candidate]:
    """Leave out what was finished with, and what has not settled yet."""
    finished = _finished(folder, run_id, sinks)
    return [candidate for candidate in listed
            if (candidate.path, found := _state(source, candidate))
            not in finished and _settled(found)]


def note(folder: Folder, run_id: str, source: Input,
         batches: Sequence[Sequence[Candidate]]) -> None:
    """Note which recordings the batches of a run hold, as they are now."""
    if batches:
        state.write(folder, f"{run_folder(run_id)}/{ARRIVALS}", [
            [(candidate.path, _state(source, candidate))
             for candidate in batch] for batch in batches], None)


def _finished(folder: Folder, but: str, sinks: str) -> set[tuple[str, State]]:
    """Path and state of all that other runs have finished."""
    finished: set[tuple[str, State]] = set()
    for path in folder.path(RUNS).glob(f"*/{ARRIVALS}"):
        if path.parent.name == but:
            continue
        run = f"{RUNS}/{path.parent.name}"
        try:
            done = completion.finished(folder, path.parent.name, sinks)
            batches = state.read(
                folder, f"{run}/{ARRIVALS}", list[list[tuple[str, State]]],
                "arrivals.damaged", "remove it")
        except AuraError:
            # Better predicted twice than never.
            continue
        finished.update(one for index, batch in enumerate(batches)
                        if index in done for one in batch)
    return finished


def _state(source: Input, candidate: Candidate) -> State:
    """Size in bytes and time of change in nanoseconds."""
    try:
        status = source.folder.path(candidate.path).stat()
    except (AuraError, OSError):
        return None
    return status.st_size, status.st_mtime_ns


def _settled(found: State) -> bool:
    return found is None or abs(time.time() - found[1] / 1e9) >= SETTLED_S
