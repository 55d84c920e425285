"""``python -m aura.runners.szcore IN.edf OUT.tsv``, as SzCORE runs it."""
# Source: https://doi.org/10.1111/epi.18113

import argparse
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from aura import state
from aura.annotations import bids
from aura.dataset.read import read
from aura.detection import detect
from aura.detector import model_card
from aura.detector.model import CARD_FILE, load_model
from aura.edf.header import read_header
from aura.edf.tal import read_timeline
from aura.errors import AuraError
from aura.folder import Folder
from aura.settings import Settings
from aura.stages.feature_builder import doubts
from aura.stages.predictor import BAKED

NO_ECG = "ecg.missing"


def main(arguments: Sequence[str] | None = None) -> int:
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
        raise state.error("szcore.input", path=recording)
    if recording.exists() and output.exists() and output.samefile(recording):
        raise state.error("szcore.output")


def predict(path: Path, settings: Settings) -> tuple[bytes, list[str]]:
    folder = Path(settings.model) if settings.model else BAKED
    if not (folder / CARD_FILE).is_file():
        raise state.error("szcore.model", folder=folder)
    model = load_model(folder)
    try:
        recording = read(path, ecg_channel=settings.ecg_channel,
                         strict=bool(settings.strict))
    except AuraError as error:
        if error.rule != NO_ECG:
            raise
        return _nothing(path), [f"{error}; no seizure was written"]
    found = detect(recording, model, adapt_after_h=settings.adapt_after_h)
    scorable_s = float(found.features.scorable.sum() * model.hop_s)
    return bids.write_events(
        found.events, recording.start, recording.duration_s,
        recording.channel or "n/a", scorable_s > 0), [
            f"{problem.rule}: {problem.text}" for problem in (
                *recording.problems, *doubts(recording, scorable_s))]


def _nothing(path: Path) -> bytes:
    """The events of a recording of which nothing can be scored."""
    with path.open("rb") as stream:
        header = read_header(stream)
        timeline = read_timeline(stream, header)
    return bids.write_events(
        (), header.start + timedelta(seconds=timeline.first_onset_s),
        float(header.duration_s), scorable=False)


if __name__ == "__main__":
    sys.exit(main())
