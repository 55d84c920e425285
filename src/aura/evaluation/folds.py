"""Who is held out when, and from whom it is learnt."""

from collections.abc import Sequence
from dataclasses import dataclass

from aura.detector.validation import check_disjoint, folds
from aura.evaluation.case import Case


@dataclass(frozen=True)
class Fold:
    """Patients to learn from, and patients who are scored."""

    train: tuple[str, ...]  # Aliases, sorted; none in both
    test: tuple[str, ...]

    def split(self, cases: Sequence[Case]) -> tuple[list[Case], list[Case]]:
        """Recordings of both sides."""
        train = [case for case in cases if case.patient in self.train]
        test = [case for case in cases if case.patient in self.test]
        check_disjoint(train, test)
        return train, test


@dataclass(frozen=True)
class Round:
    """Folds after which everybody who is scored in it has been scored once."""

    folds: tuple[Fold, ...]


def rounds(cases: Sequence[Case]) -> tuple[Round, ...]:
    """
    Deal people into rounds of folds.

    Patients with seizures are held out as in `validation.folds`.
    People without seizures make two halves, and a round each: learning and
    thresholds see one half beside the patients who are not held out; then
    all patients with seizures and that half are learnt from, and the other
    half is scored. With less than two such people there is one round.
    """
    with_seizure = {case.patient for case in cases if case.seizures}
    healthy = sorted({case.patient for case in cases} - with_seizure)
    if len(healthy) < 2:
        everybody = {case.patient for case in cases}
        return (Round(tuple(
            Fold(tuple(sorted(everybody - set(test))), tuple(sorted(test)))
            for test in folds(cases))),)
    dealt = folds([case for case in cases if case.patient in with_seizure])
    return tuple(
        Round((*(Fold(tuple(sorted((with_seizure - set(test)) | set(near))),
                      tuple(sorted(test))) for test in dealt),
               Fold(tuple(sorted(with_seizure | set(near))), tuple(far))))
        for near, far in ((healthy[::2], healthy[1::2]),
                          (healthy[1::2], healthy[::2])))
