"""
Where runs and reviews lie: beside a laptop's predictions, or on a share.
"""

import json
from collections.abc import Callable
from pathlib import Path

from aura.errors import AuraError, MissingError
from aura.folder import Folder, outside
from aura.review.worklist import Runs
from aura.settings import Settings
from aura.stages.run_layout import Input, Workspace

HIDDEN = ".aura"
# Scoring passes hidden folders over: a review must not count as detections.
REVIEWS = ".review"


def beside_predictions(out: Path, given: Callable[[Path], Input]) -> Runs:
    """What ``aura predict`` has left in a folder."""
    whole = Folder(out)
    for name in (HIDDEN, REVIEWS):
        if not whole.holds(out / name):
            raise outside()
    if not (out / HIDDEN).is_dir():
        raise MissingError(
            "review.no_run", f"there is no prediction in {out}",
            "name the folder that 'aura predict --out' has written")
    folder = Folder(out / HIDDEN)
    try:
        places = json.loads(folder.read("inputs.json"))
        inputs = {str(name): _input(Path(str(place)), given)
                  for name, place in places.items()}
    except (AuraError, ValueError, AttributeError, RecursionError):
        # Without the recordings everything but the waveform is shown.
        inputs = {}
    return Runs(Workspace(folder, inputs), Folder(out / REVIEWS))


def on_share(shared: Path, settings: Settings) -> Runs:
    """The runs on a block's shared folder; each keeps its reviews."""
    workspace = Workspace.shared(shared, settings)
    return Runs(workspace, Folder(shared / "runs"), apart=True)


def _input(place: Path, given: Callable[[Path], Input]) -> Input:
    try:
        return given(place)
    except AuraError:
        # Moved away since; each recording will say so.
        return Input(Folder(place))
