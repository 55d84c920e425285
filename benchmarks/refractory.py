"""
Compare the times without a new alarm after an alarm, and choose one nested.

    python -m benchmarks.refractory szdb-rr nsr2db chf2db

Everybody is held out as by `aura evaluate`. Each time has its own threshold,
chosen without the people who are scored. In the last row the time is chosen
without them as well: the one whose threshold finds the most seizures, and of
those the shortest, because it hides the least.
"""

import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from aura.detector import threshold
from aura.detector.alarms import AlarmRule, alarms
from aura.detector.training import RULE
from aura.detector.validation import fit_forest, out_of_fold, scored_rows
from aura.evaluation.detectors import Case
from aura.evaluation.markdown import APART
from aura.evaluation.nested import control_group, rounds
from aura.runners import evaluate
from aura.scoring.report import markdown_table, number
from aura.scoring.score import Score, pool, score
from aura.settings import Settings

TIMES_S = (60.0, 120.0, 300.0, 600.0)
CHOSEN = 0.0
# By the refractory time and the round: who was scored, and how.
Scores = dict[tuple[float, int], list[tuple[str, Score, float]]]


def chosen(development: list[threshold.Scored],
           target_far: float) -> list[tuple[int, AlarmRule]]:
    """Seizures that each time finds in training, with its rule."""
    found = []
    for time_s in TIMES_S:
        rule = threshold.choose(
            development, replace(RULE, refractory_s=time_s), target_far)
        found.append((pool(threshold.score_alarms(one, rule)
                           for one in development).events.tp, rule))
    return found


def nested(cases: list[Case], settings: Settings) -> tuple[Scores, Counter]:
    scores: Scores = {}
    picked: Counter = Counter()
    for number_of, folds in enumerate(rounds(cases)):
        for fold in folds:
            train, test = fold.split(cases)
            scorer = fit_forest(train, settings.seed)
            rules = chosen(out_of_fold(train, RULE, settings.seed),
                           settings.target_far)
            best = max(rules, key=lambda one: (one[0], -one[1].refractory_s))
            picked[best[1].refractory_s] += 1
            for key, rule in (*((rule.refractory_s, rule)
                                for _, rule in rules), (CHOSEN, best[1])):
                for case in test:
                    raised = alarms(scored_rows(
                        case, scorer(case), rule).smoothed, case.hop_s, rule)
                    scores.setdefault((key, number_of), []).append((
                        case.patient,
                        score(case.events, raised, case.duration_s),
                        hidden_s(case, raised, rule)))
    return scores, picked


def hidden_s(case: Case, raised: list, rule: AlarmRule) -> float:
    """Seconds after alarms in which no new alarm can begin."""
    return sum(min(rule.refractory_s, case.duration_s - event.end_s)
               for event in raised)


def row(name: str, parts: list[list[tuple[str, Score, float]]],
        control: list[str]) -> list[str]:
    def each(show) -> str:
        return APART.join(dict.fromkeys(show(pool(
            score for patient, score, _ in part if patient not in control
        ).events) for part in parts))

    calm = pool(score for part in parts for patient, score, _ in part
                if patient in control).events
    hidden = sum(one for part in parts for _, _, one in part)
    hours = sum(score.events.hours for part in parts for _, score, _ in part)
    rate = calm.false_alarms_per_24h
    return [name, each(lambda found: f"{found.tp}/{found.ref_true}"),
            each(lambda found: str(found.fp)),
            each(lambda found: number(found.median_latency_s, 0, " s")),
            f"{number(rate.value)} ({calm.fp}), {number(rate.low)} to "
            f"{number(rate.high)}", f"{hidden / hours / 36:.2f} %"]


def main() -> None:
    """Print the table and how often each time was chosen."""
    settings = Settings.load()
    cases = sorted(evaluate.read(
        [Path(path) for path in sys.argv[1:]], settings).cases,
        key=lambda case: (case.patient, case.name))
    control = control_group(cases)
    scores, picked = nested(cases, settings)
    numbers = np.unique([number_of for _, number_of in scores]).tolist()
    print("\n".join(markdown_table([
        ["no new alarm for", "seizures found", "false alarms of patients",
         "latency", "control group, per 24 h", "time hidden"],
        *(row(f"{key:g} s" if key else "chosen in each fold",
              [scores[key, part] for part in numbers], control)
          for key in (*TIMES_S, CHOSEN))])))
    print("chosen:", ", ".join(f"{time_s:g} s {count} times" for time_s, count
                               in sorted(picked.items())))


if __name__ == "__main__":
    main()
