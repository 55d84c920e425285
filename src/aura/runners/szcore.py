"""
One recording in, one event file out, as SzCORE runs an algorithm.

    python -m aura.runners.szcore INPUT.edf OUTPUT.tsv

A recording without an ECG, or one of which nothing can be scored, is no
failure of the run: it is answered with one ``bckg`` row and a warning.
The command is a runner; the digits are those of ``aura predict``.

References
----------
.. [1] Dan et al. (2024), SzCORE, https://doi.org/10.1111/epi.18113
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from aura.annotations import bids
from aura.detector import model_card
from aura.detector.model import CARD_FILE
from aura.edf.header import read_header
from aura.edf.tal import read_timeline
from aura.errors import (
    AuraError,
    CorruptDataError,
    InvalidInputError,
    MissingError,
)
from aura.folder import Folder
from aura.runners import local
from aura.settings import Settings
from aura.stages.manifest import Entry
from aura.stages.predictor import BAKED

# What stands for "there is no ECG in it", and not for a damaged file.
NO_ECG = frozenset(("ecg.missing",))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m aura.runners.szcore",
        description="Predict the seizures of "
        "one EDF recording and write them as SzCORE scores them. A recording "
        "without an ECG gets one 'bckg' row.", epilog="example: "
        "AURA_MODEL=model python -m aura.runners.szcore recording.edf "
        "events.tsv  "
        f"(without AURA_MODEL the model is {BAKED}). {model_card.USE}")
    parser.add_argument("input", type=Path, metavar="INPUT.edf")
    parser.add_argument("output", type=Path, metavar="OUTPUT.tsv")
    given = parser.parse_args(arguments)
    try:
        _check_names(given.input, given.output)
        content, warnings = predict(given.input, Settings.load())
        Folder(given.output.absolute().parent).write(
            given.output.name, content)
    except AuraError as error:
        print(f"szcore: {given.input.name}: {error}", file=sys.stderr)
        return 1
    for warning in warnings:
        print(f"szcore: warning: {given.input.name}: {warning}",
              file=sys.stderr)
    return 0


def _check_names(recording: Path, output: Path) -> None:
    """One recording in, and its events not in its place."""
    if recording.is_dir():
        raise InvalidInputError(
            "szcore.input", f"{recording} is a folder", "name one recording; "
            "'aura predict' reads folders")
    if recording.exists() and output.exists() and output.samefile(recording):
        raise InvalidInputError(
            "szcore.output", "the output would replace the recording",
            "name another file for it")


def predict(path: Path, settings: Settings) -> tuple[bytes, list[str]]:
    """Event file of one recording."""
    model = Path(settings.model) if settings.model else BAKED
    if not (model / CARD_FILE).is_file():
        raise MissingError(
            "szcore.model", f"there is no model in {model}",
            "set AURA_MODEL to the folder that 'aura train' has written, or "
            "mount it at /model")
    # Nobody sets the hop here, and the model knows its own.
    hop_s = model_card.read(Folder(model).read(CARD_FILE))["hop_s"]
    with tempfile.TemporaryDirectory(prefix="aura-szcore-") as scratch:
        outcome = local.predict([path], model, Path(scratch), replace(
            settings, hop_s=hop_s))
        entry = outcome.entries[0][1]
        if entry.predicted is not None:
            written, = (one for one in Path(scratch).rglob("*.tsv")
                        if local.HIDDEN not in one.parts)
            return written.read_bytes(), _doubts(entry)
    faults = [problem for problem in entry.problems
              if problem.level == "error"]
    if any(fault.rule not in NO_ECG for fault in faults):
        raise _refused(entry)
    return _nothing(path), [
        f"{fault.rule}: {fault.text}; written is that there was no seizure"
        for fault in faults]


def _doubts(entry: Entry) -> list[str]:
    return [f"{problem.rule}: {problem.text}" for problem in entry.problems]


def _refused(entry: Entry) -> AuraError:
    fault = next(problem for problem in entry.problems
                 if problem.level == "error" and problem.rule not in NO_ECG)
    kind = InvalidInputError if fault.rule.startswith(
        ("edf.", "annotations.")) else CorruptDataError
    return kind(fault.rule, fault.text)


def _nothing(path: Path) -> bytes:
    """One row of background over the recording."""
    with path.open("rb") as stream:
        header = read_header(stream)
        timeline = read_timeline(stream, header)
    return bids.write_events(
        (), header.start + timedelta(seconds=timeline.first_onset_s),
        float(header.duration_s))


if __name__ == "__main__":
    sys.exit(main())
