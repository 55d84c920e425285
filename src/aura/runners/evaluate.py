"""Evaluate recordings: read them, compute features, compare detectors."""

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aura import state
from aura.evaluation import detectors, markdown, results
from aura.evaluation.detectors import Case, Detector
from aura.evaluation.study import More, case_of
from aura.folder import Folder
from aura.recording import Recording
from aura.runners import local
from aura.settings import Settings
from aura.stages import manifest, tables
from aura.stages.feature_builder import FeatureStage
from aura.stages.manifest import Entry, FileOutcomes
from aura.stages.run_layout import Workspace, batch_file


@dataclass(frozen=True)
class Read:
    cases: tuple[Case, ...]
    outcome: FileOutcomes  # The problems of each file
    taken_as_free: int  # In folders without annotations: the control group
    left_out: int  # Others without annotations, or not understood


def read(paths: Sequence[Path], settings: Settings,
         track: local.Track = iter, more: More | None = None) -> Read:
    """Read folders of recordings, and compute what the detectors need."""
    inputs, refused = local.open_inputs(paths)
    found: list[tuple[str, Recording, Case]] = []
    annotated: set[str] = set()
    entries: list[tuple[str, Entry]] = list(refused)
    with tempfile.TemporaryDirectory(prefix="aura-") as folder:
        workspace = Workspace(Folder(Path(folder)), inputs)
        stage = FeatureStage(workspace, settings)
        for batch in track(local.batches(workspace, settings)):
            built = stage.build(batch)
            listed = manifest.read(workspace.folder, built.manifest_path)
            entries += [(str(paths[int(listed.input)]), entry)
                        for entry in listed.entries]
            if listed.has_annotations and not settings.annotated_only:
                annotated.add(listed.input)
            found += [(listed.input, recording, case)
                      for recording, case in _cases(
                          workspace.folder, built, listed, settings, more)]
    is_free = workspace.free_of_seizures(
        annotated, [one for _, one, _ in found])
    taken = [case for name, one, case in found if is_free(name, one)]
    known = [case for _, one, case in found
             if one.annotated and one.understood]
    return Read((*known, *taken), FileOutcomes(tuple(entries)), len(taken),
                len(found) - len(known) - len(taken))


def _cases(folder: Folder, built: Any, listed: manifest.Manifest,
           settings: Settings,
           more: More | None) -> Iterator[tuple[Recording, Case]]:
    tables_of = [tables.read(folder.read(name)) for name in (
        built.table_path, batch_file(
            built.run_id, built.batch_index, "beats.parquet"))]
    for number, recording in listed.recordings:
        table, beats = (one.of(number) for one in tables_of)
        if not len(table["time_s"]):
            continue
        # The first beat of a recording does not end an interval.
        intervals = {name: beats[name][1:]
                     for name in ("time_s", "rr_s", "kind")}
        yield recording, case_of(recording, table, intervals, settings.hop_s,
                                 more, settings.alias_key)


def evaluate(given: Read, settings: Settings, track: results.Track = iter,
             own: Sequence[Detector] = ()) -> dict[str, Any]:
    problems = Counter(problem.rule for _, entry in given.outcome.entries
                       for problem in entry.problems)
    problems |= {rule: count for rule, count in (
        ("evaluate.taken_as_free_of_seizures", given.taken_as_free),
        ("evaluate.not_annotated", given.left_out)) if count}
    adapted = detectors.with_own_past(
        settings.adapt_after_h) if settings.adapt_after_h else ()
    return results.evaluate(given.cases, target_far=settings.target_far,
                            seed=settings.seed, problems=problems, track=track,
                            detectors=(*detectors.DETECTORS, *adapted, *own))


def write(found: Mapping[str, Any], out: Path, pictures: bool = True) -> None:
    folder = Folder(out)
    if pictures:
        from aura.evaluation.pictures import draw
        draw(found, out)
    folder.write("report.md", markdown.markdown(found).encode("utf-8"))
    state.write(folder, "report.json", found, indent=1)
