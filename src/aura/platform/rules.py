"""The rules of the platform, with their texts in ``rules.toml``."""

from typing import Any

from aura import state
from aura.errors import Problem

_TEXTS = state.beside(__file__)
_WAYS_OUT = _TEXTS.pop("way_out")


def broken(rule: str, which: str = "text", **facts: Any) -> Problem:
    """The finding that a file breaks a rule."""
    return Problem(rule, "error", _TEXTS[rule][which].format(**facts))


def with_way_out(problem: Problem) -> Problem:
    """The same finding in a bundle, with what its user can do."""
    way_out = next(text for prefix, text in _WAYS_OUT.items()
                   if problem.rule.startswith(prefix))
    return Problem(problem.rule, "error", f"{problem.text}; {way_out}")
