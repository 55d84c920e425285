"""What the verbs share: settings, progress, faults and tables."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aura.annotations import vocabulary
from aura.cli import verbs
from aura.dataset.names import printable
from aura.dataset.patients import similar
from aura.errors import Problem, plural, show_texts
from aura.settings import Settings

if TYPE_CHECKING:
    from aura.rpc.aura_pb2 import EcgBatch
    from aura.stages.manifest import FileOutcomes

NOT_A_DEVICE = "Research software, not a medical device."
PATIENTS_SHOWN, FILES_SHOWN = 20, 3
_NO_FILE = {"path.missing", "path.no_recordings"}  # No file to read


def settings(given: argparse.Namespace) -> Settings:
    """The settings, with the options of the verb over them."""
    options = {name: getattr(given, name, None) for name in verbs.SETTINGS}
    made = replace(Settings.load(), **{
        name: value for name, value in options.items() if value is not None})
    vocabulary.use(made.seizure_words)
    # Verbs that take settings run on the user's own machine.
    show_texts(True)
    return made


def print_patients(paths: Sequence[Path], table: str) -> None:
    """Say which recordings count as one patient, before hours of work."""
    from aura.runners import local
    found, unused = local.patients(paths, table)
    if not found:
        return
    count = plural(sum(map(len, found.values())), "recording")
    print(f"{plural(len(found), 'patient')} in {count}:", file=sys.stderr)
    for patient, names in [*found.items()][:PATIENTS_SHOWN]:
        shown = ", ".join(names[:FILES_SHOWN]) + (
            f" and {len(names) - FILES_SHOWN} more"
            if len(names) > FILES_SHOWN else "")
        print(f"  {printable(patient.name)} (by {patient.source}): {shown}",
              file=sys.stderr)
    if len(found) > PATIENTS_SHOWN:
        print(f"  and {len(found) - PATIENTS_SHOWN} more; aura inspect lists "
              "all", file=sys.stderr)
    warn_of_names((patient.name for patient in found), unused, table)
    doubtful = sum(patient.doubtful for patient in found)
    if doubtful:
        print(f"warning patient.doubtful: {plural(doubtful, 'patient')} known "
              "by folder or file name only; if one person has two names or "
              "two have one, the validation is too good "
              "(--strict-patients rejects such recordings)", file=sys.stderr)


def warn_of_names(patients: Iterable[str], unused: Sequence[str],
                  table: str) -> None:
    """Warn of names that differ by little, and of rows without recording."""
    if unused:
        print(f"warning patients.unmatched: {plural(len(unused), 'row')} of "
              f"{table} match no recording: "
              f"{printable(', '.join(unused[:FILES_SHOWN]))}", file=sys.stderr)
    for names in similar(patients):
        print(f"warning patient.similar: {printable(', '.join(names))} count "
              f"as {len(names)} patients; if they are one, the validation is "
              "too good: give them one name with --patients FILE",
              file=sys.stderr)


def track(batches: "Iterable[EcgBatch]") -> "Iterator[EcgBatch]":
    """Yield batches, with a progress bar if the output is a terminal."""
    from tqdm import tqdm
    with tqdm(unit="rec", disable=None, leave=False) as bar:
        for batch in batches:
            # Batches are known; users count recordings.
            size = max(batch.record_count, 1)
            bar.total = max(
                bar.n + size * (batch.batch_count - batch.batch_index), 1)
            yield batch
            bar.update(size)


def fail(verb: str, error: object) -> int:
    if isinstance(error, OSError):
        # Most faults have a rule; a disk can fail anywhere.
        error = f"{error.filename or 'a file'}: {error.strerror or error}"
    print(f"aura {verb}: {error}", file=sys.stderr)
    return 1


def print_problems(problems: Iterable[tuple[str, Problem]]) -> None:
    """Print a line for each error, and one for each rule that warned."""
    warnings: Counter[str] = Counter()
    example: dict[str, str] = {}
    for path, problem in problems:
        line = f"{printable(path)}: {problem.rule}: {problem.text}"
        if problem.level == "error":
            print(f"rejected {line}", file=sys.stderr)
        else:
            warnings[problem.rule] += 1
            example.setdefault(problem.rule, line)
    for rule, count in sorted(warnings.items()):
        more = f" (and {plural(count - 1, 'more file')})" if count > 1 else ""
        print(f"warning {example[rule]}{more}", file=sys.stderr)


def print_outcome(verb: str, outcome: "FileOutcomes") -> int:
    """Print the problems of a run's files, and return the exit code."""
    print_problems((entry.path, problem) for _, entry in outcome.entries
                   for problem in entry.problems)
    return exit_code(verb, outcome.done, [
        entry.problems for _, entry in outcome.entries if entry.refused])


def exit_code(verb: str, done: int, files: Iterable[Iterable[Problem]],
              failure: str = "No recording could be read") -> int:
    """0, 1 or 2, as `aura --help` explains; print how many were rejected."""
    errors = [[problem.rule for problem in problems
               if problem.level == "error"] for problems in files]
    rules = [one[-1] for one in errors if one]
    noun = "file" if _NO_FILE.isdisjoint(rules) else "input"
    count = (f"{plural(len(rules), noun)} "
             f"{'was' if len(rules) == 1 else 'were'} rejected (see above)")
    if not done:
        return fail(verb, failure + (f": {count}." if rules else "."))
    if rules:
        print(f"aura {verb}: {count}.", file=sys.stderr)
        return 2
    return 0


def length(seconds: float) -> str:
    """A length of time to read, such as ``1.5 h``, ``2.0 min`` or ``17 s``."""
    if seconds >= 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.0f} s"


def clock(seconds: float) -> str:
    """Seconds as ``1:29:59``."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
