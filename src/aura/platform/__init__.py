"""The platform: blueprints, bundles, their checks, onboarding."""

from aura import state
from aura.errors import Problem


def broken(key: str, **facts: object) -> Problem:
    """The finding that a file breaks a rule."""
    return state.error(key, **facts).problem
