"""The ecg-loader: a tree of recordings, handed out batch by batch."""

import secrets
import threading
import time
from collections.abc import Iterator
from itertools import islice

from aura import state
from aura.annotations import vocabulary
from aura.dataset import assemble, duplicates, find, patient_table
from aura.dataset.find import Candidate
from aura.dataset.assemble import Refused
from aura.errors import EndOfData
from aura.folder import Folder
from aura.rpc.aura_pb2 import EcgBatch, Empty
from aura.settings import Settings
from aura.stages import arrivals, manifest
from aura.stages.manifest import Entry, Manifest
from aura.stages.run_layout import Workspace, batch_file


# A folder that holds this file is still being copied (docs/deploy.md).
COPYING = ".copying"


class EcgSource:
    def __init__(self, workspace: Workspace, settings: Settings, *ports: str,
                 run_id: str = "", remember: bool = False) -> None:
        self._workspace = workspace
        self._settings = settings
        self._ports = ports
        self._fixed_run_id = run_id or settings.run_id
        self._remember = remember
        self._lock = threading.Lock()
        self._batches: list[tuple[str, list[Candidate]]] | None = None
        self._run_id = ""
        self._next = 0

    def ready(self) -> bool:
        """Whether the input folder is there, and complete."""
        roots = [self._workspace.input(port).folder.root
                 for port in self._ports]
        return all(root.exists() and not (root / COPYING).exists()
                   for root in roots)

    def next(self) -> EcgBatch:
        """The next batch; `EndOfData` once after the last one."""
        with self._lock:
            if self._batches is None:
                self._begin()
            assert self._batches is not None
            if self._next >= len(self._batches):
                self._batches = None
                raise EndOfData
            reply = self._load(self._next, *self._batches[self._next])
            self._next += 1
            return reply

    def _begin(self) -> None:
        vocabulary.use(self._settings.seizure_words)
        self._workspace.folder.sweep()
        self._run_id = self._fixed_run_id or _new_run_id(self._ports[0])
        size = self._settings.batch_size
        batches = [(port, found[at:at + size])
                   for port, found in self._listed()
                   for at in range(0, len(found), size)]
        if self._remember:
            arrivals.note(
                self._workspace.folder, self._run_id,
                self._workspace.input(self._ports[0]),
                [batch for _, batch in batches])
        self._batches = batches
        self._next = 0

    def _listed(self) -> Iterator[tuple[str, list[Candidate]]]:
        """Yield each port with its recordings, none of them twice."""
        found = [(port, self._found(port)) for port in self._ports]
        resolved = iter(duplicates.resolve(
            [(self._workspace.input(port).folder, candidate)
             for port, listed in found for candidate in listed],
            self._settings.prefer))
        for port, listed in found:
            kept = list(islice(resolved, len(listed)))
            if self._remember and self._settings.only_new:
                kept = arrivals.new(
                    self._workspace.folder, self._run_id,
                    self._workspace.input(port), kept, self._settings.sinks)
            yield port, kept

    def _found(self, port: str) -> list[Candidate]:
        given = self._workspace.input(port)
        root = given.folder.root
        if not root.exists():
            raise state.error("loader.no_folder", folder=root.name, port=port)
        if (root / COPYING).exists():
            raise state.error("loader.copying", folder=root.name, file=COPYING)
        table = patient_table.table_of(
            given.folder, self._settings.patients, self._workspace.folder.root)
        return table.assign(find.recordings(given.folder, given.subfolder))

    def _load(self, index: int, port: str, batch: list[Candidate]) -> EcgBatch:
        assert self._batches is not None
        folder = self._workspace.input(port).folder
        entries = [self._entry(folder, candidate) for candidate in batch]
        path = batch_file(self._run_id, index, "manifest.json")
        manifest.write(
            self._workspace.folder, path, Manifest(port, tuple(entries)))
        recordings = [e.recording for e in entries if e.recording is not None]
        return EcgBatch(
            run_id=self._run_id, batch_index=index,
            batch_count=len(self._batches),
            is_last=index == len(self._batches) - 1, manifest_path=path,
            record_count=len(recordings),
            ecg_hours=sum(r.duration_s for r in recordings) / 3600.0,
            status_text=manifest.status_text(entries))

    def _entry(self, folder: Folder, candidate: Candidate) -> Entry:
        settings = self._settings
        outcome = assemble.recording(
            folder, candidate, settings.ecg_channel, settings.alias_key,
            bool(settings.strict))
        if isinstance(outcome, Refused):
            return Entry(outcome.path, None, outcome.problems)
        entry = Entry(outcome.path, outcome, outcome.problems)
        doubt = settings.strict_patients and assemble.doubt(folder, candidate)
        return entry.refuse(doubt) if doubt else entry


class LoaderStage:
    """The loader's two ports; each reads its own folder."""

    def __init__(self, workspace: Workspace, settings: Settings) -> None:
        self._training = EcgSource(workspace, settings, "training")
        self._recordings = EcgSource(
            workspace, settings, "recordings", remember=True)

    def ready(self) -> bool:
        """Whether one folder exists; a solution links one port only."""
        return self._training.ready() or self._recordings.ready()

    def next_training(self, request: Empty) -> EcgBatch:
        return self._training.next()

    def next_recordings(self, request: Empty) -> EcgBatch:
        return self._recordings.next()


def _new_run_id(port: str) -> str:
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    return f"{port}-{moment}-{secrets.token_hex(3)}"
