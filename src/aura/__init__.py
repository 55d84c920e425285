"""
Seizure detection on ECG, as a library and as microservice blocks.

    import aura
    night = aura.read("night.edf")         # or aura.simulate(3600)
    model = aura.load_model("model")       # or aura.train(recordings)
    found = aura.detect(night, model)
    print(aura.score(night.events, found.events, night.duration_s))

Research software, not a medical device.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from aura.dataset.read import read
    from aura.detection import Detection, detect, features, find_beats, train
    from aura.detector.model import Model, load_model, save_model
    from aura.errors import AuraError
    from aura.evaluation.study import evaluate
    from aura.recording import Beats, Event, Recording
    from aura.scoring.score import score
    from aura.synthetic.simulate import simulate

# Where each public name is defined; it is imported when it is first used.
_HOME = {
    "AuraError": "aura.errors", "Beats": "aura.recording",
    "Detection": "aura.detection", "Event": "aura.recording",
    "Model": "aura.detector.model", "Recording": "aura.recording",
    "detect": "aura.detection", "evaluate": "aura.evaluation.study",
    "features": "aura.detection",
    "find_beats": "aura.detection", "load_model": "aura.detector.model",
    "read": "aura.dataset.read",
    "save_model": "aura.detector.model", "score": "aura.scoring.score",
    "simulate": "aura.synthetic.simulate", "train": "aura.detection",
}

__all__ = [
    "AuraError", "Beats", "Detection", "Event", "Model", "Recording",
    "detect", "evaluate", "features", "find_beats", "load_model", "read",
    "save_model", "score", "simulate", "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'aura' has no attribute {name!r}")
    module = _HOME[name]
    return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
