"""Run an evaluation, and write its result as JSON: no path, time or host."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from aura import state
from aura.detector import training, validation
from aura.detector.forest import MODEL_FEATURES
from aura.detector.model_card import USE
from aura.ecg import features
from aura.evaluation import chance, measures
from aura.evaluation.detectors import DETECTORS, Case, Detector
from aura.evaluation.measures import number, summary
from aura.evaluation.nested import Held, Round, control_group, held_out, rounds
from aura.scoring.conventions import by_convention
from aura.scoring.matching import SZCORE
from aura.scoring.report import convention_rates, over_patients

FORMAT = "aura-evaluation-1"
_DATA = state.beside(__file__)
Track = Callable[[Sequence[Detector]], Iterable[Detector]]


def evaluate(cases: Sequence[Case], *, target_far: float, seed: int,
             problems: Mapping[str, int] | None = None,
             detectors: Sequence[Detector] = DETECTORS,
             track: Track = iter) -> dict[str, Any]:
    cases = sorted(cases, key=lambda case: (case.patient, case.name))
    training.check_enough(cases)
    dealt = rounds(cases)
    control = control_group(cases)
    return {
        "format": FORMAT, "use": USE, "method": _DATA["method"],
        "settings": {
            "target_false_alarms_per_24h": target_far, "seed": seed,
            "hop_s": cases[0].hop_s, "schema_id": features.SCHEMA_ID,
            "features": list(MODEL_FEATURES)},
        "data": _data(cases, problems or {}),
        "study_phase": study_phase(cases),
        "rounds": [_round(cases, one) for one in dealt],
        "detectors": [
            _detector(detector, [
                held_out(cases, one, detector, target_far, seed)
                for one in dealt], control, seed)
            for detector in track(detectors)],
        "self_tests": {
            "shuffled_labels": _numbers(chance.shuffled_labels(cases, seed)),
            "missingness_only": _numbers(
                chance.missingness_only(cases, seed))},
    }


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


def study_phase(cases: Sequence[Case]) -> dict[str, Any]:
    """The phase that the numbers allow, and what the next one needs."""
    # Source: https://doi.org/10.1111/epi.14049
    known = [case for case in cases if case.seizures]
    have = {"patients with seizures": len({case.patient for case in known}),
            "seizures": sum(len(case.seizures) for case in known)}
    needs = _DATA["phase"]
    at_most = 1 + all(have[what] >= needs["2"][what] for what in have)
    following = needs[str(at_most + 1)]
    return {"at_most": at_most, "missing_for_next": [
        *(f"{what}: {following[what] - have[what]} more"
          for what in have if have[what] < following[what]),
        *following["also"]]}


def _round(cases: Sequence[Case], dealt: Round) -> list[dict[str, Any]]:
    folds = []
    for fold in dealt:
        train, test = fold.split(cases)
        folds.append({
            "train": list(fold.train), "test": list(fold.test),
            "train_seizures": sum(len(case.seizures) for case in train),
            "test_seizures": sum(len(case.seizures) for case in test),
            "test_recordings": {case.name: case.sha256 for case in test}})
    return folds


def _detector(detector: Detector, held: Sequence[list[Held]],
              control: Sequence[str], seed: int) -> dict[str, Any]:
    rule = {name: value for name, value in asdict(detector.rule).items()
            if name != "threshold"}
    everything = [one for part in held for one in part]
    return {
        "key": detector.key, "name": detector.name, "what": detector.what,
        "threshold": "fixed" if detector.fixed else "chosen in each fold",
        "alarm": rule,
        "rounds": [_results(part, control, seed) for part in held],
        "people_without_seizures": summary(
            [one for one in everything if one.case.patient in control]
        ) if control else None,
        "row_roc_auc": number(
            validation.auc(*measures.rows_and_labels(everything))),
        "reliability": _numbers(measures.reliability(everything))
        if detector.probability else None,
        "curve_with_hindsight": [
            _numbers(point) for point in measures.curve(everything, control)]}


def _results(held: Sequence[Held], control: Sequence[str],
             seed: int) -> dict[str, Any]:
    patients = [one for one in held if one.case.patient not in control]
    seizures = [_seizure(one, place) for one in patients
                for place in range(len(one.case.seizures))]
    readable = [one for one in seizures if one["scorable"]]
    everybody = summary(held)
    people = {
        patient: summary([one for one in held if one.case.patient == patient])
        for patient in sorted({one.case.patient for one in held})}
    return {
        "thresholds": [number(level) for level in dict(
            (one.fold, one.rule.threshold) for one in held).values()],
        "everybody": everybody,
        "people_with_seizures": summary(patients),
        "by_shifted_alarms": _numbers(
            chance.by_shifted_alarms(patients, seed)),
        "by_resampled_people": {
            name: _numbers(resampled) for name, resampled
            in chance.by_patients(held, seed).items()},
        "by_convention": convention_rates(
            (by_convention(one.case.events, one.raised, one.case.duration_s)
             for one in held), everybody["hours"]),
        "over_people": {
            name: over_patients(one[name]["value"] for one in people.values())
            for name in ("sensitivity", "false_alarms_per_24h")},
        "people": people,
        "intention_to_detect": {
            "seizures": len(seizures), "scorable": len(readable),
            "found": sum(one["latency_s"] is not None for one in seizures),
            "found_scorable": sum(
                one["latency_s"] is not None for one in readable)},
        "seizures": seizures}


def _numbers(found: Any) -> dict[str, Any]:
    """Fields of a dataclass, with numbers of six decimals."""
    return {name: [number(one) for one in value]
            if isinstance(value, tuple) else
            value if isinstance(value, int) else number(value)
            for name, value in asdict(found).items()}


def _seizure(held: Held, place: int) -> dict[str, Any]:
    event, hop_s = held.case.seizures[place], held.case.hop_s
    rows = held.case.time_s[held.case.scorable]
    return {"patient": held.case.patient, "recording": held.case.name,
            "onset_s": number(event.onset_s),
            "duration_s": number(event.duration_s),
            "scorable": bool(np.any(
                (rows > event.onset_s) & (rows <= event.end_s + hop_s))),
            "latency_s": latency(held, place)}


def latency(held: Held, place: int) -> float | None:
    """First alarm that overlaps a seizure, minus onset; None if missed."""
    event = held.case.seizures[place]
    for alarm in held.raised:
        if (alarm.end_s > event.onset_s - SZCORE.tolerance_before_s
                and alarm.onset_s < event.end_s + SZCORE.tolerance_after_s):
            return number(alarm.onset_s - event.onset_s)
    return None
