"""Where the files of a run are (docs/architecture.md)."""

import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aura import state
from aura.dataset.names import recording_stem
from aura.folder import Folder
from aura.recording import Recording
from aura.settings import Settings

RUNS, MODELS = "runs", "models"
HIDDEN = ".aura"  # The workspace of a prediction, in its output folder
LATEST = f"{MODELS}/latest.json"
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class TrainingSummary:
    status_text: str
    model_path: str = ""  # Nothing could be learnt if it is empty
    model_id: str = ""


@dataclass(frozen=True)
class Input:
    """A tree of recordings, read only."""

    folder: Folder
    # Part of it to search, or a single file; ``""`` for all.
    subfolder: str = ""

    @classmethod
    def named(cls, path: Path) -> "Input":
        """A folder or a single file that a user has named."""
        # Annotations of a BIDS session are beside its ``ecg`` folder.
        absolute = Path(os.path.abspath(path))
        if not os.path.lexists(absolute):
            raise state.error("path.missing/stages", path=path)
        parent = Path(os.path.realpath(absolute.parent))
        if absolute.is_dir():
            if absolute.name == "ecg":
                return cls(Folder(parent), absolute.name)
            return cls(Folder(absolute))
        return cls(Folder(parent.parent),
                   f"{parent.name}/{absolute.name}" if parent.name
                   else absolute.name)

    @classmethod
    def remembered(cls, place: Path) -> "Input":
        """An input of an earlier call, which may have been moved away."""
        return (cls.named(place) if os.path.lexists(place)
                else cls(Folder(place)))

    @property
    def is_tree(self) -> bool:
        """Whether it is a folder, not a single file."""
        return self.folder.path(self.subfolder or ".").is_dir()


@dataclass(frozen=True)
class Workspace:
    """A folder to write to, and the inputs that manifests name."""

    folder: Folder  # The shared folder, or `HIDDEN` in an output folder
    # By their names in manifests. A manifest cannot lead to other folders.
    inputs: Mapping[str, Input]
    # Where event files go; None is the run's own folder.
    events: Folder | None = None

    @classmethod
    def shared(cls, shared: Path, settings: Settings) -> "Workspace":
        """The workspace of a block: everything in the shared folder."""
        folder = Folder(shared)
        return cls(folder, {
            "training": Input(Folder(folder.path(settings.training))),
            "recordings": Input(Folder(folder.path(settings.recordings)))})

    def input(self, name: str) -> Input:
        if name not in self.inputs:
            raise state.error(
                "manifest.input", inputs=", ".join(sorted(self.inputs)))
        return self.inputs[name]

    def input_of(self, name: str) -> Folder:
        """The folder that paths in a manifest are relative to."""
        given = self.input(name)
        if not given.subfolder:
            return given.folder
        below = given.folder.path(given.subfolder)
        return Folder(below if below.is_dir() else below.parent)

    def free_of_seizures(
            self, annotated: Collection[str],
            known: Iterable[Recording]) -> Callable[[str, Recording], bool]:
        """Which recordings of inputs without annotations count as free."""
        trees = {name for name, given in self.inputs.items() if annotated
                 and name not in annotated and given.is_tree}
        # Whose patient has, or may have, seizures elsewhere may too.
        patients = {one.patient for one in known
                    if one.events or not one.understood}
        return lambda name, one: (
            one.understood and not one.annotated and name in trees
            and one.patient not in patients)

    def write_events(self, run_id: str, recording: str,
                     content: bytes) -> None:
        """Write the event file of a recording, in the input's tree."""
        name = recording_stem(recording) + ".tsv"
        if self.events is not None:
            self.events.write(name, content)
        else:
            self.folder.write(f"{run_folder(run_id)}/events/{name}", content)


class Stage:
    """What the stages have in common."""

    def __init__(self, workspace: Workspace, settings: Settings) -> None:
        self._workspace, self._folder = workspace, workspace.folder
        self._settings = settings

    def ready(self) -> bool:
        """Whether the workspace exists and can be written."""
        return os.access(self._folder.root, os.W_OK)


def place_of(batch: Any) -> dict[str, Any]:
    return {name: getattr(batch, name) for name in (
        "run_id", "batch_index", "batch_count", "is_last")}


def run_folder(run_id: str) -> str:
    """Folder of a run, relative to the workspace."""
    if not _RUN_ID.fullmatch(run_id):
        raise state.error("run.id")
    return f"{RUNS}/{run_id}"


def batch_file(run_id: str, index: int, name: str) -> str:
    """Path of a file of a batch, relative to the workspace."""
    if not 0 <= index < 10 ** 6:
        raise state.error("run.batch_index", index=index, most=10 ** 6 - 1)
    return f"{run_folder(run_id)}/batches/{index:04d}/{name}"
