"""What the verbs share: the parser, options, progress, faults and tables."""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from aura.errors import Problem, plural, show_texts
from aura.settings import Settings

if TYPE_CHECKING:
    from aura.rpc.aura_pb2 import EcgBatch
    from aura.stages.manifest import Outcome

NOT_A_DEVICE = "Research software, not a medical device."
RECORDINGS = ("EDF or BDF recordings, CSV files of beats, or folders of them "
              "in any layout")
MODEL = "folder that 'aura train' has written"
PREDICTIONS = "folder that 'aura predict' has written"
PATIENTS_SHOWN, FILES_SHOWN = 20, 3
_NO_FILE = {"path.missing", "path.no_recordings"}  # No file to read
_OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "target_far": ("--target-far", {"type": float, "metavar": "N"}),
    "seed": ("--seed", {"type": int, "metavar": "N"}),
    "adapt_after_h": ("--adapt-after", {"type": float, "metavar": "HOURS"}),
    "annotated_only": ("--annotated-only", {
        "action": "store_const", "const": 1}),
    "strict": ("--strict", {"action": "store_const", "const": 1}),
    "patients": ("--patients", {"metavar": "FILE", "type": os.path.abspath}),
    "strict_patients": (
        "--strict-patients", {"action": "store_const", "const": 1}),
    "prefer": ("--prefer", {"choices": ("ecg", "beats", "rr")}),
}


class _Help(argparse.HelpFormatter):
    """Fills each paragraph, and leaves those with indented lines alone."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n\n".join(
            part if "\n " in f"\n{part}"
            else argparse.HelpFormatter._fill_text(self, part, width, indent)
            for part in text.split("\n\n"))


class Parser(argparse.ArgumentParser):
    """A parser that exits with 1 where a command line makes no sense."""

    def __init__(self, **named: Any) -> None:
        super().__init__(formatter_class=_Help, **named)
        self.register("type", Path, _path)

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(1, f"{self.prog}: {message}. Run '{self.prog} --help' for "
                  "help.\n")


def _path(text: str) -> Path:
    # An unset variable of the shell would otherwise be the current folder.
    if not text:
        raise argparse.ArgumentTypeError(
            "the name is empty; the current folder is '.'")
    return Path(text)


class Verbs:
    """A group of verbs, with the line that `aura --help` has for each."""

    def __init__(self, parsers: Any) -> None:
        self._parsers = parsers
        self._lines: list[str] = []

    def __str__(self) -> str:
        return "\n".join(self._lines)

    def add(self, name: str, run: Callable[[argparse.Namespace], int],
            summary: str, description: str,
            example: str) -> argparse.ArgumentParser:
        """Add a verb; its example has one command a line."""
        self._lines.append(f"  {name:10}{summary}")
        verb: argparse.ArgumentParser = self._parsers.add_parser(
            name, help=summary, description=description, epilog="example:\n  "
            + example.replace("\n", "\n  "))
        verb.set_defaults(run=run)
        return verb


def add_recordings(verb: argparse.ArgumentParser, kind: str = "") -> None:
    verb.add_argument("paths", nargs="+", type=Path, metavar="IN",
                      help=kind + RECORDINGS)


def add_model(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--model", required=True, type=Path, help=MODEL)


def add_out(verb: argparse.ArgumentParser, text: str,
            metavar: str = "DIR") -> None:
    verb.add_argument("--out", required=True, type=Path, metavar=metavar,
                      help=text)


def add_settings(verb: argparse.ArgumentParser, *names: str,
                 **texts: str) -> None:
    """Add an option for each of these settings; `texts` replace its help."""
    known = {entry.name: entry for entry in fields(Settings)}
    for name in names:
        option, kind = _OPTIONS[name]
        default, about = known[name].default, known[name].metadata
        verb.add_argument(
            option, dest=name, **kind, help=texts.get(name, about["text"])
            + (f" [default: {default:g}; {about['env']}]" if default
               else f" [{about['env']}]"))


def settings(given: argparse.Namespace) -> Settings:
    """The settings, with the options of `add_settings` over them."""
    from aura.annotations import vocabulary
    options = {name: getattr(given, name, None) for name in _OPTIONS}
    made = replace(Settings.load(), **{
        name: value for name, value in options.items() if value is not None})
    vocabulary.use(made.seizure_words)
    # Verbs that take settings run on the user's own machine.
    show_texts(True)
    return made


def print_patients(paths: Sequence[Path], table: str) -> None:
    """Say which recordings count as one patient, before hours of work."""
    from aura.dataset.names import printable
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
    if unused:
        print(f"warning patients.unmatched: {plural(len(unused), 'row')} of "
              f"{table} match no recording: "
              f"{printable(', '.join(unused[:FILES_SHOWN]))}", file=sys.stderr)
    doubtful = sum(patient.doubtful for patient in found)
    if doubtful:
        print(f"warning patient.doubtful: {plural(doubtful, 'patient')} known "
              "by folder or file name only; if one person has two names or "
              "two have one, the validation is too good "
              "(--strict-patients rejects such recordings)", file=sys.stderr)


def track(batches: "Iterable[EcgBatch]") -> "Iterator[EcgBatch]":
    """Yield batches, with a progress bar if the output is a terminal."""
    from tqdm import tqdm  # type: ignore[import-untyped]
    with tqdm(unit="rec", disable=None, leave=False) as bar:
        for batch in batches:
            # Batches are known; users count recordings.
            size = max(batch.record_count, 1)
            bar.total = max(
                bar.n + size * (batch.batch_count - batch.batch_index), 1)
            yield batch
            bar.update(size)


def fail(verb: str, error: object) -> int:
    """Print an error, and return the exit code 1."""
    if isinstance(error, OSError):
        # Most faults have a rule; a disk can fail anywhere.
        error = f"{error.filename or 'a file'}: {error.strerror or error}"
    print(f"aura {verb}: {error}", file=sys.stderr)
    return 1


def print_problems(problems: Iterable[tuple[str, Problem]]) -> None:
    """Print a line for each error, and one for each rule that warned."""
    from aura.dataset.names import printable
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


def print_outcome(verb: str, outcome: "Outcome") -> int:
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


def table(rows: Iterable[tuple[str, ...]]) -> str:
    """Rows as aligned text; the first row is the head."""
    listed = list(rows)
    widths = [max(map(len, column)) for column in zip(*listed, strict=True)]
    return "\n".join("  ".join(
        cell.ljust(width) for cell, width in zip(row, widths, strict=True)
    ).rstrip() for row in listed)
