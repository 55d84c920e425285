"""
All that an evaluation says, as one JSON object.

No path, time or host stands in it, so that the same data and seed give the
same bytes. People and recordings are named by their aliases.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from aura.detector import training
from aura.detector.forest import MODEL_FEATURES
from aura.detector.model_card import USE
from aura.ecg import features
from aura.evaluation import chance, curves, self_tests
from aura.evaluation.case import Case
from aura.evaluation.detectors import DETECTORS, Detector
from aura.evaluation.folds import Round, rounds
from aura.evaluation.measures import figures, number
from aura.evaluation.nested import Held, held_out
from aura.evaluation.self_tests import SelfTest
from aura.scoring.matching import SZCORE

FORMAT = "aura-evaluation-1"
METHOD = (
    "Nested and patient-wise: whoever is scored has been seen neither by "
    "the model nor by the choice of its threshold. Events by SzCORE's "
    "rules; intervals of 95 %: Clopper-Pearson for parts, exact Poisson for "
    "rates, and over resampled people.")

Track = Callable[[Sequence[Detector]], Iterable[Detector]]


@dataclass(frozen=True)
class Run:
    """One detector on everybody."""

    detector: Detector
    rounds: tuple[list[Held], ...]  # What was held out, round by round
    curve: list[curves.Point]  # Over all rounds together


@dataclass(frozen=True)
class Evaluation:
    """Outcome of an evaluation."""

    report: dict[str, Any]  # JSON-able
    runs: tuple[Run, ...]  # What pictures are drawn of

    def json(self) -> bytes:
        """The report; equal data and seeds give equal bytes."""
        return (json.dumps(self.report, indent=1, sort_keys=True,
                           allow_nan=False) + "\n").encode("ascii")


def evaluate(cases: Sequence[Case], *, target_far: float, seed: int,
             problems: Mapping[str, int] | None = None,
             detectors: Sequence[Detector] = DETECTORS,
             track: Track = iter) -> Evaluation:
    """Compare detectors on people whom they have never seen."""
    cases = sorted(cases, key=lambda case: (case.patient, case.name))
    training.check_enough(cases)
    dealt = rounds(cases)
    healthy = sorted({case.patient for case in cases}
                     - {case.patient for case in cases if case.seizures})
    runs = tuple(_run(cases, dealt, detector, healthy, target_far, seed)
                 for detector in track(detectors))
    return Evaluation({
        "format": FORMAT, "use": USE, "method": METHOD,
        "settings": {
            "target_false_alarms_per_24h": target_far, "seed": seed,
            "hop_s": cases[0].hop_s, "schema_id": features.SCHEMA_ID,
            "features": list(MODEL_FEATURES)},
        "data": _data(cases, problems or {}),
        "rounds": [_round(cases, one) for one in dealt],
        "detectors": [_told(run, healthy, seed) for run in runs],
        "self_tests": {
            "shuffled_labels": _self_test(
                self_tests.shuffled_labels(cases, seed)),
            "missingness_only": _self_test(
                self_tests.missingness_only(cases, seed))},
    }, runs)


def _run(cases: Sequence[Case], dealt: Sequence[Round], detector: Detector,
         healthy: Sequence[str], target_far: float, seed: int) -> Run:
    held = tuple(held_out(cases, one, detector, target_far, seed)
                 for one in dealt)
    everything = [one for part in held for one in part]
    return Run(detector, held, curves.sweep(everything, healthy))


def _data(cases: Sequence[Case],
          problems: Mapping[str, int]) -> dict[str, Any]:
    unscorable = [case for case in cases if not case.can_be_scored]
    lines = sorted(json.dumps([case.sha256, case.patient, [
        [event.onset_s, event.duration_s, event.label]
        for event in case.events]]) for case in cases)
    return {
        "fingerprint": hashlib.sha256(
            "\n".join(lines).encode("ascii")).hexdigest(),
        "people": len({case.patient for case in cases}),
        "people_with_seizures": len(
            {case.patient for case in cases if case.seizures}),
        "recordings": len(cases),
        "seizures_annotated": sum(len(case.seizures) for case in cases),
        "hours": number(sum(case.duration_s for case in cases) / 3600),
        "scorable_hours": number(
            sum(case.scorable_s for case in cases) / 3600),
        "nothing_scorable": {
            "recordings": [case.name for case in unscorable],
            "hours_not_counted": number(
                sum(case.duration_s for case in unscorable) / 3600),
            "seizures_counted_as_missed": sum(
                len(case.seizures) for case in unscorable)},
        "problems": dict(sorted(Counter(problems).items())),
    }


def _round(cases: Sequence[Case], dealt: Round) -> list[dict[str, Any]]:
    folds = []
    for fold in dealt.folds:
        train, test = fold.split(cases)
        folds.append({
            "train": list(fold.train), "test": list(fold.test),
            "train_seizures": sum(len(case.seizures) for case in train),
            "test_seizures": sum(len(case.seizures) for case in test),
            "test_recordings": {case.name: case.sha256 for case in test}})
    return folds


def _told(run: Run, healthy: Sequence[str], seed: int) -> dict[str, Any]:
    detector = run.detector
    rule = {name: value for name, value in asdict(detector.rule).items()
            if name != "threshold"}
    everything = [one for part in run.rounds for one in part]
    return {
        "key": detector.key, "name": detector.name, "what": detector.what,
        "threshold": "fixed" if detector.fixed else "chosen in each fold",
        "alarm": rule,
        "rounds": [_told_round(part, healthy, seed) for part in run.rounds],
        "people_without_seizures": figures(
            [one for one in everything if one.case.patient in healthy]
        ) if healthy else None,
        "row_roc_auc": number(curves.row_auc(everything)),
        "reliability": _reliability(everything)
        if detector.probability else None,
        "curve_with_hindsight": [
            {name: value if isinstance(value, int) else number(value)
             for name, value in asdict(point).items()}
            for point in run.curve]}


def _reliability(held: Sequence[Held]) -> dict[str, Any]:
    return {name: [number(one) for one in value]
            if isinstance(value, tuple) else number(value)
            for name, value in asdict(curves.reliability(held)).items()}


def _told_round(held: Sequence[Held], healthy: Sequence[str],
                seed: int) -> dict[str, Any]:
    ill = [one for one in held if one.case.patient not in healthy]
    by_chance = chance.by_shifted_alarms(ill, seed)
    return {
        "thresholds": [number(level) for level in dict(
            (one.fold, one.rule.threshold) for one in held).values()],
        "everybody": figures(held),
        "people_with_seizures": figures(ill),
        "by_shifted_alarms": {
            name: number(value) for name, value in asdict(by_chance).items()},
        "by_resampled_people": {
            name: {key: number(value)
                   for key, value in asdict(resampled).items()}
            for name, resampled in chance.by_patients(held, seed).items()},
        "people": {
            patient: figures([one for one in held
                              if one.case.patient == patient])
            for patient in sorted({one.case.patient for one in held})},
        "seizures": [_seizure(one, number_) for one in ill
                     for number_ in range(len(one.case.seizures))]}


def _seizure(held: Held, place: int) -> dict[str, Any]:
    """What became of one seizure as annotated."""
    event = held.case.seizures[place]
    return {"patient": held.case.patient, "recording": held.case.name,
            "onset_s": number(event.onset_s),
            "duration_s": number(event.duration_s),
            "latency_s": latency(held, place)}


def latency(held: Held, place: int) -> float | None:
    """Onset of the first alarm that meets a seizure, minus its own."""
    event = held.case.seizures[place]
    for alarm in held.raised:
        if (alarm.end_s > event.onset_s - SZCORE.tolerance_before_s
                and alarm.onset_s < event.end_s + SZCORE.tolerance_after_s):
            return number(alarm.onset_s - event.onset_s)
    return None


def _self_test(found: SelfTest) -> dict[str, float | None]:
    return {"auc": number(found.auc), "repetitions": found.repetitions,
            "standard_error": number(found.standard_error)}
