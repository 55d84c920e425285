"""What all verbs share: progress, and a word on every file with a fault."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from aura.dataset.find import printable
from aura.errors import Problem
from aura.rpc.aura_pb2 import EcgBatch
from aura.settings import Settings
from aura.stages.manifest import Outcome

NOT_A_DEVICE = "Research software, not a medical device."


def add_prefer(verb: argparse.ArgumentParser) -> None:
    """Add the option that chooses between two forms of one recording."""
    verb.add_argument(
        "--prefer", choices=("ecg", "beats", "rr"), default="",
        help="form to use of a recording that is there as waveform and as "
        "beats, which is refused else (AURA_PREFER)")


def preferred(given: argparse.Namespace, settings: Settings) -> Settings:
    """Settings with what the option of `add_prefer` says."""
    return (replace(settings, prefer=given.prefer) if given.prefer
            else settings)


def add_adapt(verb: argparse.ArgumentParser, text: str) -> None:
    """Add the option by which thresholds follow a recording's own past."""
    verb.add_argument("--adapt-after", type=float, metavar="H",
                      help=f"{text} (AURA_ADAPT_AFTER_H, 0)")


def adapted(given: argparse.Namespace, settings: Settings) -> Settings:
    """Settings with what the option of `add_adapt` says."""
    return (settings if given.adapt_after is None
            else replace(settings, adapt_after_h=given.adapt_after))


def track(batches: Iterable[EcgBatch]) -> Iterator[EcgBatch]:
    """Yield batches with a bar on the terminal, if there is one."""
    from tqdm import tqdm  # type: ignore[import-untyped]
    with tqdm(unit="rec", disable=None, leave=False) as bar:
        for batch in batches:
            # Known are the batches; recordings are what users count.
            size = max(batch.record_count, 1)
            bar.total = max(
                bar.n + size * (batch.batch_count - batch.batch_index), 1)
            yield batch
            bar.update(size)


def tell(problems: Iterable[tuple[str, Problem]]) -> None:
    """Print a line for each error, and one for each rule that warned."""
    warnings: Counter[str] = Counter()
    example: dict[str, str] = {}
    for path, problem in problems:
        line = f"{printable(path)}: {problem.rule}: {problem.text}"
        if problem.level == "error":
            print(f"refused {line}", file=sys.stderr)
        else:
            warnings[problem.rule] += 1
            example.setdefault(problem.rule, line)
    for rule, count in sorted(warnings.items()):
        more = f" (and {count - 1} more like it)" if count > 1 else ""
        print(f"warning {example[rule]}{more}", file=sys.stderr)


def tell_outcome(outcome: Outcome) -> None:
    """Print what was the matter with the files of a run."""
    tell((entry.path, problem) for _, entry in outcome.entries
         for problem in entry.problems)


def counted(number: int, noun: str) -> str:
    """A number of things, such as ``1 seizure``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def clock(seconds: float) -> str:
    """Seconds as ``1:29:59``."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def table(rows: Iterable[tuple[str, ...]]) -> str:
    """Rows as aligned text, the first being the head."""
    listed = list(rows)
    widths = [max(map(len, column)) for column in zip(*listed, strict=True)]
    return "\n".join("  ".join(
        cell.ljust(width) for cell, width in zip(row, widths, strict=True)
    ).rstrip() for row in listed)
