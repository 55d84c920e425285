"""All that the review page asks for and saves; nothing here knows HTTP."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from aura import state
from aura.dataset.names import recording_stem
from aura.errors import (
    AuraError, MissingError, PreconditionError, ResourceError)
from aura.folder import read_error
from aura.review.audit_trail import AuditTrail, Change, Item, Step
from aura.review.exports import exported, reviewed
from aura.review.reasons import Explainer
from aura.review.tiles import BUCKETS, FACTORS, Waveforms
from aura.review.trends import read_beats, read_trends
from aura.review.worklist import ReviewCase, Runs
from aura.stages.run_layout import MODELS

STEPS_SHOWN = 200
EXPLAINED = 500
FILES = {"tsv": ".tsv", "edf": ".edf", "log": ".jsonl"}


@dataclass(frozen=True)
class _Feature:
    name: str


@dataclass(frozen=True)
class _Card:
    features: tuple[_Feature, ...]


class FilesNotWrittenError(ResourceError):
    """A decision is saved, but its TSV and EDF+ files are not."""


class ReviewService:
    def __init__(self, runs: Runs) -> None:
        self.runs = runs
        self._waveforms = Waveforms(runs)

    def listing(self) -> dict[str, Any]:
        """All recordings with their counts, and what could not be read."""
        found = self.runs.worklist()
        return {"cases": [self._summary(case) for case in found.cases],
                "refused": [{"run": run, "path": path, **asdict(problem)}
                            for run, path, problem in found.refused],
                "problems": [{"path": path, **asdict(problem)}
                             for path, problem in found.problems]}

    def detail(self, key: str) -> dict[str, Any]:
        """One recording: header, both layers, and its review."""
        case = self.runs.case(key)
        recording, trends = case.recording, read_trends(self.runs, case)
        return {
            **_known(case),
            "channel": recording.channel, "unit": recording.unit,
            "fs_hz": recording.fs_hz,
            "annotation_source": recording.annotation_source,
            "problems": [asdict(problem) for problem in (
                *case.entry.problems, *trends.problems)],
            "unscorable": [list(span) for span in case.unscorable],
            "threshold": trends.threshold, "model_id": trends.model_id,
            "waveform": self._waveform_state(case),
            "marks": [{
                "key": one.key, "layer": one.layer, **asdict(one.event),
                "outcome": one.outcome, "latency_s": one.latency_s}
                for one in case.events],
            "review": self.review(key)}

    def trends(self, key: str) -> bytes:
        """Heart rate, baseline and score as a frame."""
        found = read_trends(self.runs, self.runs.case(key))
        return frame({name: getattr(found, name).astype(np.float32)
                      for name in ("time_s", "heart_rate_bpm",
                                   "baseline_bpm", "probability")})

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
        tile = self._waveforms.tile(self.runs.case(key), factor, index)
        columns = {"low": tile.low} if factor == 1 else {
            "low": tile.low, "high": tile.high}
        return frame(columns, {"scale": tile.scale, "offset": tile.offset})

    def reasons(self, key: str) -> dict[str, Any]:
        """Why the first events raised an alarm or not, by event key."""
        case = self.runs.case(key)
        try:
            explainer = Explainer(self.runs, case, self._used(case))
        except AuraError as error:
            return {"events": {}, "problem": error.text}
        return {"problem": None, "events": {
            one.key: asdict(explainer.explain(one))
            for one in case.events[:EXPLAINED]}}

    def review(self, key: str) -> dict[str, Any]:
        """State and audit trail of a review."""
        case = self.runs.case(key)
        trail = self._trail(case)
        try:
            steps = trail.steps()
        except AuraError as error:
            return {"version": 0, "items": [], "steps": [], "files": {},
                    "error": error.text, "reviewed": []}
        return self._state(case, trail.items(steps), steps)

    def change(self, key: str, change: Change) -> dict[str, Any]:
        """Save one decision, and write TSV and EDF+ again."""
        case = self.runs.case(key)
        trail = self._trail(case)
        with trail.locked():
            steps = trail.append(change, self._model_id(case),
                                 datetime.now(UTC))
            items = trail.items(steps)
            try:
                for kind in ("tsv", "edf"):
                    self.runs.reviews.write(self._file(case, kind), exported(
                        items.values(), case.recording, kind))
            except (PreconditionError, ResourceError) as error:
                raise state.error(
                    "review.files", FilesNotWrittenError,
                    why=error.text) from None
        return self._state(case, items, steps)

    def export(self, key: str, kind: str) -> tuple[str, bytes]:
        """Name and content of a file of the review."""
        case = self.runs.case(key)
        if kind not in FILES:
            raise state.error("review.kind", kinds=", ".join(FILES))
        name = recording_stem(case.recording.path).rpartition("/")[2]
        if kind == "log":
            return name + FILES[kind], self.runs.reviews.read(
                self._file(case, kind))
        # Not from the disk: a kill after a step leaves older files there.
        trail = self._trail(case)
        return name + FILES[kind], exported(
            trail.items(trail.steps()).values(), case.recording, kind)

    def _file(self, case: ReviewCase, kind: str) -> str:
        return self.runs.review_name(case, kind, FILES[kind])

    def _trail(self, case: ReviewCase) -> AuditTrail:
        recording = case.recording
        return AuditTrail(
            self.runs.reviews, self._file(case, "log"), case.events,
            recording.duration_s, {
                "recording": recording.path, "sha256": recording.sha256,
                "start": recording.start.isoformat(),
                "duration_s": recording.duration_s})

    def _state(self, case: ReviewCase, items: Mapping[str, Item],
               steps: tuple[Step, ...]) -> dict[str, Any]:
        last = {item.key: step for step in steps
                if (item := step.after or step.before) is not None}
        return {
            "version": len(steps), "error": None,
            "items": [{**asdict(items[key]), "by": last[key].reviewer,
                       "at": last[key].time}
                      for key in items if key in last],
            "reviewed": [
                [event.onset_s, event.duration_s, event.label]
                for event in reviewed(
                    items.values(), case.recording.duration_s)],
            "steps": [asdict(step) for step in steps[-STEPS_SHOWN:]],
            "files": {kind: self._file(case, kind) for kind in FILES}}

    def _summary(self, case: ReviewCase) -> dict[str, Any]:
        decided, added, damaged = 0, 0, False
        if self.runs.reviews.path(self._file(case, "log")).is_file():
            trail = self._trail(case)
            try:
                items = trail.items(trail.steps()).values()
                added = sum(item.layer == "added" for item in items)
                decided = sum(
                    item.decision != "open" for item in items) - added
            except AuraError:
                damaged = True
        return {**_known(case), "decided": decided, "added": added,
                "trail_damaged": damaged,
                "lost_s": sum(stop - start for start, stop in case.unscorable),
                "events": len(case.events),
                "warnings": len(case.entry.problems)}

    def _waveform_state(self, case: ReviewCase) -> dict[str, Any]:
        problem: AuraError | None = None
        try:
            self._waveforms.tile(case, 1, 0)
        except (AuraError, OSError) as error:
            problem = read_error(error)
        return {"factors": FACTORS, "buckets": BUCKETS,
                "samples": round(case.recording.duration_s
                                 * (case.recording.fs_hz or 0)),
                "problem": problem and asdict(problem.problem)}

    def _model_id(self, case: ReviewCase) -> str:
        return read_trends(self.runs, case).model_id

    def _used(self, case: ReviewCase) -> tuple[str, ...]:
        for name in ("model.json",
                     f"{MODELS}/{self._model_id(case)}/card.json"):
            try:
                card = state.read(
                    self.runs.workspace.folder, name, _Card, "review.card",
                    "run 'aura predict' again")
            except MissingError:
                continue
            return tuple(one.name for one in card.features)
        return ()


def frame(columns: Mapping[str, np.ndarray],
          more: Mapping[str, float] | None = None) -> bytes:
    """Columns as bytes that a browser reads without copying."""
    # A JSON head, its length first, then columns, padded to 8 bytes.
    head = json.dumps({"columns": [[name, column.dtype.name, len(column)]
                                   for name, column in columns.items()],
                       **(more or {})}, allow_nan=False).encode("ascii")
    head += b" " * (-(len(head) + 4) % 8)
    parts = [len(head).to_bytes(4, "little"), head]
    for column in columns.values():
        body = column.astype(column.dtype.newbyteorder("<")).tobytes()
        parts += [body, b"\0" * (-len(body) % 8)]
    return b"".join(parts)


def _known(case: ReviewCase) -> dict[str, Any]:
    recording, predicted = case.recording, case.entry.predicted
    return {"key": case.key, "run": case.run, "path": recording.path,
            "patient": recording.patient,
            "start": recording.start.isoformat(),
            "duration_s": recording.duration_s,
            "annotated": recording.annotated,
            "originals": len(recording.events),
            "predicted": None if predicted is None else len(predicted),
            "counts": case.counts}
