"""From annotated recordings to a model with its validation."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from aura import state
from aura.detector import forest, model_card, threshold, trees, validation
from aura.detector.alarms import AlarmRule
from aura.detector.forest import MODEL_FEATURES, Example
from aura.detector.model import Model
from aura.ecg import features
from aura.errors import plural
from aura.recording import Recording

MIN_PATIENTS = 2
# The alarm policy of new models. A false alarm hides a seizure that begins in
# the refractory time. A minute finds as many seizures as five (docs).
RULE = AlarmRule(threshold=math.nextafter(1.0, 2.0), refractory_s=60.0)


def train(examples: Sequence[Example], *, target_far: float, seed: int,
          digest: str, taken_as_free: int = 0,
          adapt_after_h: float = 0.0) -> Model:
    check_enough(examples)
    rule = replace(RULE, adapt_after_h=adapt_after_h)
    validated = validation.cross_validate(examples, rule, target_far, seed)
    known = validation.out_of_fold(examples, rule, seed)
    rule = threshold.choose(known, rule, target_far)
    rows = forest.training_rows(examples)
    columns = {feature.name: feature for feature in features.SCHEMA}
    return Model(
        forest=trees.of(forest.fit(examples, seed)),
        schema_id=features.SCHEMA_ID,
        features=MODEL_FEATURES,
        units=tuple(columns[name].unit for name in MODEL_FEATURES),
        hop_s=examples[0].hop_s,
        windows_s=(features.SHORT_S, features.MEDIUM_S, features.LARGE_S),
        alarm=asdict(rule),
        settings={"seed": seed, "target_false_alarms_per_24h": target_far},
        card={
            model_card.WINDOWS: {
                name: columns[name].window for name in MODEL_FEATURES},
            "score_never_falls_with": [
                name for name in MODEL_FEATURES if name in forest.RISES],
            "data": {
                "fingerprint": digest,
                "recordings": len(examples),
                "recordings_taken_as_free_of_seizures": taken_as_free,
                "patients": len({e.patient for e in examples}),
                "patients_with_seizures": len(
                    {e.patient for e in examples if e.seizures}),
                "seizures": sum(len(e.seizures) for e in examples),
                "hours": math.fsum(e.duration_s for e in examples) / 3600,
                "rows": sum(len(e.time_s) for e in examples),
                "rows_learnt_from": len(rows.seizure),
                "rows_of_seizures": int(rows.seizure.sum())},
            "target_is_promised": threshold.can_promise(known, target_far),
            "validation": validation.metrics(validated, target_far)})


def example_of(recording: Recording, columns: Mapping[str, np.ndarray],
               hop_s: float) -> Example:
    """What the forest learns of one annotated recording."""
    return Example(
        patient=recording.patient, time_s=columns["time_s"],
        values=np.column_stack([columns[name] for name in MODEL_FEATURES]),
        rise=columns["hr_rise"].astype(np.float64),
        from_peak=columns["hr_from_peak"].astype(np.float64),
        heart_rate=columns["mean_hr"].astype(np.float64),
        scorable=columns["scorable"], events=recording.events,
        duration_s=recording.duration_s, hop_s=hop_s)


def head_of(recording: Recording) -> dict[str, Any]:
    return {"sha256": recording.sha256, "patient": recording.patient,
            "events": [[event.onset_s, event.duration_s, event.label]
                       for event in recording.events]}


def fingerprint(heads: Iterable[Mapping[str, Any]]) -> str:
    """Digest of recordings and annotations, whatever their order."""
    lines = sorted(json.dumps(head, sort_keys=True) for head in heads)
    return hashlib.sha256("\n".join(lines).encode("ascii")).hexdigest()


def check_enough(examples: Sequence[Example]) -> None:
    """Raise an error if a model could not be trained and validated."""
    if not examples:
        raise state.error("train.no_labels")
    hops_s = sorted({example.hop_s for example in examples})
    if len(hops_s) > 1:
        raise state.error("train.hop", least_s=hops_s[0], most_s=hops_s[-1])
    found = ", ".join((
        plural(len(examples), "annotated recording"),
        plural(len({e.patient for e in examples}), "patient"),
        plural(sum(len(e.seizures) for e in examples), "seizure")))
    rows = forest.training_rows(examples)
    if not rows.seizure.any() or rows.seizure.all():
        raise state.error(
            "train.one_class", found=found, inside=int(rows.seizure.sum()),
            outside=int((~rows.seizure).sum()))
    usable = len({e.patient for e in examples if e.has_usable_seizure})
    if usable < MIN_PATIENTS:
        raise state.error(
            "train.few_patients", found=found,
            patients=plural(usable, "patient"), min_patients=MIN_PATIENTS)
