"""
A reviewer's desk: all that the page asks for, and what it may change.

Everything goes out as plain data or as bytes; nothing here knows of HTTP,
so that the page that is served and the page that is one file show the same.
"""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np

from aura.dataset.names import recording_stem
from aura.errors import (
    AuraError,
    CorruptDataError,
    MissingError,
    PreconditionError,
    Problem,
    ResourceError,
)
from aura.review import exports
from aura.review.journal import (
    Change,
    ConflictError,
    FollowingError,
    Item,
    Journal,
    Step,
)
from aura.review.marks import Verdicts, judge
from aura.review.reasons import Explainer, used_features
from aura.review.tiles import BUCKETS, FACTORS, Waveforms
from aura.review.trends import Trends, read_beats, read_trends
from aura.review.worklist import ReviewCase, Runs
from aura.stages.run_layout import MODELS

STEPS_SHOWN = 200
JUDGED_KEPT = 20_000
FILES = {"tsv": ".tsv", "edf": ".edf", "log": ".jsonl"}


class Desk:
    """Cases with their data, and the reviews of them."""

    def __init__(self, runs: Runs, now: Callable[[], datetime] = (
            lambda: datetime.now(UTC))) -> None:
        self.runs = runs
        self._now = now
        self._waveforms = Waveforms(runs)
        self._judged: dict[str, tuple[ReviewCase, Verdicts]] = {}
        self._lock = threading.Lock()

    def listing(self) -> dict[str, Any]:
        """All cases with their counts, and what could not be read."""
        found = self.runs.collection()
        return {
            "cases": [self._summary(case) for case in found.cases],
            "refused": [{"run": run, "path": path, **asdict(problem)}
                        for run, path, problem in found.refused],
            "problems": [{"path": path, **asdict(problem)}
                         for path, problem in found.problems]}

    def detail(self, key: str) -> dict[str, Any]:
        """One case: what is known of it, both layers, and its review."""
        case = self.runs.case(key)
        recording, verdicts = case.recording, self._verdicts(case)
        trends = read_trends(self.runs, case)
        return {
            **self._known(case),
            "channel": recording.channel, "unit": recording.unit,
            "fs_hz": recording.fs_hz,
            "annotation_source": recording.annotation_source,
            "problems": [asdict(problem) for problem in (
                *case.entry.problems, *trends.problems)],
            "unscorable": [list(span) for span in (
                case.entry.signals.unscorable if case.entry.signals
                else ())],
            "threshold": trends.threshold, "model_id": trends.model_id,
            "waveform": self._waveform_state(case),
            "marks": [{
                "key": mark.key, "layer": mark.layer,
                "onset_s": mark.event.onset_s,
                "duration_s": mark.event.duration_s,
                "label": mark.event.label,
                "confidence": mark.event.confidence,
                "verdict": mark.verdict, "latency_s": mark.latency_s}
                for mark in verdicts.marks],
            "review": self.review(key)}

    def trends(self, key: str) -> bytes:
        """Heart rate, baseline and probability as a frame."""
        found: Trends = read_trends(self.runs, self.runs.case(key))
        return frame({
            "time_s": found.time_s.astype(np.float32),
            "heart_rate_bpm": found.heart_rate_bpm.astype(np.float32),
            "baseline_bpm": found.baseline_bpm.astype(np.float32),
            "probability": found.probability.astype(np.float32)})

    def beats(self, key: str) -> bytes:
        """Times (ms) and kinds of the beats as a frame."""
        found = read_beats(self.runs, self.runs.case(key))
        return frame({
            "time_ms": np.rint(found["time_s"] * 1000).astype(np.int32),
            "rr_ms": np.nan_to_num(
                found["rr_s"] * 1000, nan=0.0).clip(0, 65535).astype(
                    np.uint16),
            "kind": found["kind"].astype(np.uint8)})

    def tile(self, key: str, factor: int, index: int) -> bytes:
        """One tile of the waveform as a frame."""
        tile = self._waveforms.tile(self.runs.case(key), factor, index)
        columns = {"low": tile.low} if factor == 1 else {
            "low": tile.low, "high": tile.high}
        return frame(columns, {"scale": tile.scale, "offset": tile.offset})

    def reasons(self, key: str, limit: int = 500) -> dict[str, Any]:
        """Why each of the first events fired or did not, by their keys."""
        case = self.runs.case(key)
        marks = self._verdicts(case).marks
        try:
            explainer = Explainer(
                self.runs, case, marks, used_features(self._card(case)))
        except AuraError as error:
            return {"events": {}, "problem": error.text}
        return {"problem": None, "events": {
            mark.key: asdict(explainer.explain(mark))
            for mark in marks[:limit]}}

    def review(self, key: str) -> dict[str, Any]:
        """State and audit trail of a review."""
        case = self.runs.case(key)
        journal = self._journal(case)
        try:
            steps = journal.steps()
        except AuraError as error:
            return {"version": 0, "items": [], "steps": [], "files": {},
                    "error": str(error), "standing": []}
        return self._state(case, journal.items(steps), steps)

    def change(self, key: str, change: Change) -> dict[str, Any]:
        """
        Take one step in a review, and write TSV and EDF+ anew.

        A step that others have not touched the event of is taken although
        there are steps that its writer has not seen; nobody's is lost.
        """
        case = self.runs.case(key)
        journal = self._journal(case)
        with journal.locked():
            steps = journal.steps()
            unseen = steps[change.version:]
            if len(steps) < change.version or any(
                    change.key and _touches(step, change.key)
                    for step in unseen):
                raise ConflictError(
                    "review.conflict", "this event was changed meanwhile, "
                    "in another tab or by another reviewer",
                    "look at the newer state and repeat")
            steps = journal.append(
                Change(**{**asdict(change), "version": len(steps)}),
                self._model_id(case), self._now())
            items = journal.items(steps)
            self._write_files(case, items)
        return self._state(case, items, steps)

    def _write_files(self, case: ReviewCase,
                     items: Mapping[str, Item]) -> None:
        try:
            for kind in ("tsv", "edf"):
                self.runs.reviews.write(
                    self._file(case, kind), self._exported(
                        case, items, kind))
        except (PreconditionError, ResourceError) as error:
            # The step is taken: that it be repeated would be wrong advice.
            raise FollowingError(
                "review.files", "the decision is saved, but its TSV and EDF+ "
                f"files are not: {error.args[1]}",
                "mend that; the next decision writes them, and downloads "
                "are right already") from None

    def export(self, key: str, kind: str) -> tuple[str, bytes]:
        """Name and content of a file of the review."""
        case = self.runs.case(key)
        if kind not in FILES:
            raise MissingError(
                "review.kind", "there is no such file of a review",
                "kinds are " + ", ".join(FILES))
        journal = self._journal(case)
        name = recording_stem(case.recording.path).rpartition("/")[2]
        if kind == "log":
            return name + FILES[kind], self.runs.reviews.read(
                self._file(case, kind))
        # What is on disk follows from the journal; a kill between the two
        # must not hand out the older one.
        items = journal.items(journal.steps())
        return name + FILES[kind], self._exported(case, items, kind)

    def _exported(self, case: ReviewCase, items: Mapping[str, Item],
                  kind: str) -> bytes:
        recording = case.recording
        if kind == "edf":
            return exports.as_edf(
                items.values(), recording.start, recording.duration_s)
        return exports.as_tsv(
            items.values(), recording.start, recording.duration_s,
            recording.channel, recording.annotated)

    def _file(self, case: ReviewCase, kind: str) -> str:
        return self.runs.review_name(case, kind, FILES[kind])

    def _journal(self, case: ReviewCase) -> Journal:
        recording = case.recording
        return Journal(
            self.runs.reviews, self._file(case, "log"),
            self._verdicts(case).marks, recording.duration_s, {
                "recording": recording.path, "sha256": recording.sha256,
                "start": recording.start.isoformat(),
                "duration_s": recording.duration_s})

    def _state(self, case: ReviewCase, items: Mapping[str, Item],
               steps: tuple[Step, ...]) -> dict[str, Any]:
        last = {}
        for step in steps:
            one = step.after or step.before
            if one is not None:
                last[one.key] = step
        return {
            "version": len(steps), "error": None,
            "items": [{**asdict(items[key]), "by": last[key].reviewer,
                       "at": last[key].time}
                      for key in items if key in last],
            "standing": [
                [event.onset_s, event.duration_s, event.label]
                for event in exports.reviewed(
                    items.values(), case.recording.duration_s)],
            "steps": [asdict(step) for step in steps[-STEPS_SHOWN:]],
            "files": {kind: self._file(case, kind) for kind in FILES}}

    def _summary(self, case: ReviewCase) -> dict[str, Any]:
        verdicts = self._verdicts(case)
        entry = case.entry
        lost_s = sum(stop - start for start, stop in (
            entry.signals.unscorable if entry.signals else ()))
        decided = 0
        broken = False
        if self.runs.reviews.path(self._file(case, "log")).is_file():
            journal = self._journal(case)
            try:
                decided = sum(
                    item.decision != "open" for item in journal.items(
                        journal.steps()).values())
            except AuraError:
                broken = True
        return {
            **self._known(case), "counts": verdicts.counts,
            "lost_s": lost_s, "decided": decided,
            "events": len(verdicts.marks), "journal_damaged": broken,
            "warnings": len(entry.problems)}

    def _known(self, case: ReviewCase) -> dict[str, Any]:
        recording, entry = case.recording, case.entry
        return {
            "key": case.key, "run": case.run, "path": recording.path,
            "patient": recording.patient,
            "start": recording.start.isoformat(),
            "duration_s": recording.duration_s,
            "annotated": recording.annotated,
            "originals": len(recording.events),
            "predicted": (None if entry.predicted is None
                          else len(entry.predicted)),
            "counts": self._verdicts(case).counts}

    def _waveform_state(self, case: ReviewCase) -> dict[str, Any]:
        fs_hz = case.recording.fs_hz
        shape = {"factors": FACTORS, "buckets": BUCKETS, "samples": int(
            round(case.recording.duration_s * (fs_hz or 0)))}
        problem: Problem | None = None
        try:
            self._waveforms.tile(case, 1, 0)
        except AuraError as error:
            problem = error.problem
        except OSError as error:
            problem = Problem("path.read", "error",
                              f"reading failed: {error.strerror}")
        return {**shape, "problem": problem and asdict(problem)}

    def _verdicts(self, case: ReviewCase) -> Verdicts:
        with self._lock:
            known = self._judged.get(case.key)
        if known is not None and known[0] is case:
            return known[1]
        made = judge(case)
        with self._lock:
            if len(self._judged) >= JUDGED_KEPT:
                self._judged.clear()
            self._judged[case.key] = case, made
        return made

    def _model_id(self, case: ReviewCase) -> str:
        return read_trends(self.runs, case).model_id

    def _card(self, case: ReviewCase) -> dict[str, Any]:
        folder = self.runs.workspace.folder
        model_id = self._model_id(case)
        for name in ("model.json", f"{MODELS}/{model_id}/card.json"):
            try:
                content = json.loads(folder.read(name))
            except MissingError:
                continue
            except (ValueError, RecursionError):
                raise CorruptDataError(
                    "review.card", "the model's card is damaged",
                    "predict again") from None
            if isinstance(content, dict):
                return content
        return {"features": []}


def frame(columns: Mapping[str, np.ndarray],
          more: Mapping[str, float] | None = None) -> bytes:
    """
    Columns as bytes that a browser reads without copying.

    A JSON head (its length first, 4 bytes, little-endian), padded to 8
    bytes, then each column padded to 8.
    """
    head = json.dumps({
        "columns": [[name, column.dtype.name, len(column)]
                    for name, column in columns.items()],
        **(more or {})}, allow_nan=False).encode("ascii")
    head += b" " * (-(len(head) + 4) % 8)
    parts = [len(head).to_bytes(4, "little"), head]
    for column in columns.values():
        body = column.astype(column.dtype.newbyteorder("<")).tobytes()
        parts += [body, b"\0" * (-len(body) % 8)]
    return b"".join(parts)


def _touches(step: Step, key: str) -> bool:
    return any(item is not None and item.key == key
               for item in (step.before, step.after))
