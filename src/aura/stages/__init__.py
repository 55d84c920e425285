"""One stage per block; the same request writes the same bytes again."""

from aura import state

RULES = state.Rules(__file__)
