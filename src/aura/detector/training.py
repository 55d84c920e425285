"""
From annotated examples to a model that knows what it is worth.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, replace

from aura.detector import forest, threshold, validation
from aura.detector.alarms import AlarmRule
from aura.detector.forest import MODEL_FEATURES, Example
from aura.detector.model import Model
from aura.ecg import features
from aura.errors import PreconditionError

MIN_PATIENTS = 2
RULE = AlarmRule(threshold=math.nextafter(1.0, 2.0))


def train(examples: Sequence[Example], *, target_far: float, seed: int,
          fingerprint: str, taken_as_free: int = 0,
          adapt_after_h: float = 0.0) -> Model:
    """Train a model and validate it patient by patient."""
    check_enough(examples)
    rule = replace(RULE, adapt_after_h=adapt_after_h)
    validated = validation.cross_validate(examples, rule, target_far, seed)
    rule = threshold.choose(
        validation.out_of_fold(examples, rule, seed), rule, target_far)
    rows = forest.training_rows(examples)
    units = {feature.name: feature.unit for feature in features.SCHEMA}
    return Model(
        forest=forest.fit(examples, seed),
        schema_id=features.SCHEMA_ID,
        features=MODEL_FEATURES,
        units=tuple(units[name] for name in MODEL_FEATURES),
        hop_s=examples[0].hop_s,
        windows_s=(features.SHORT_S, features.MEDIUM_S, features.LARGE_S),
        alarm=asdict(rule),
        settings={"seed": seed, "target_false_alarms_per_24h": target_far},
        card={
            "data": {
                "fingerprint": fingerprint,
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
            "validation": validation.metrics(validated, target_far)})


def check_enough(examples: Sequence[Example]) -> None:
    """Refuse to train where a model could not be validated."""
    if not examples:
        raise PreconditionError(
            "train.no_labels", "none of the recordings is annotated",
            "put annotations beside them, for instance a .tse_bi")
    hops_s = sorted({example.hop_s for example in examples})
    if len(hops_s) > 1:
        raise PreconditionError(
            "train.hop", f"some recordings have a row every {hops_s[0]:g} s, "
            f"others one every {hops_s[-1]:g} s",
            "build their features with one AURA_HOP_S")
    seizures = sum(len(example.seizures) for example in examples)
    found = (f"{len(examples)} annotated recordings of "
             f"{len({e.patient for e in examples})} patients hold {seizures} "
             "seizures")
    rows = forest.training_rows(examples)
    if not rows.seizure.any() or rows.seizure.all():
        raise PreconditionError(
            "train.one_class", f"{found}; scorable rows are all of one kind "
            f"({int(rows.seizure.sum())} of seizures, "
            f"{int((~rows.seizure).sum())} without)",
            "both are needed to learn from")
    # Whose only seizures cannot be scored teaches nothing.
    patients = {e.patient for e in examples if forest.teaches(e)}
    if len(patients) < MIN_PATIENTS:
        raise PreconditionError(
            "train.few_patients", f"{found}, of {len(patients)} patients; "
            f"validation needs {MIN_PATIENTS} with a seizure at least",
            "add recordings of other patients; files in one folder are of "
            "one patient, unless their names or headers say otherwise")
