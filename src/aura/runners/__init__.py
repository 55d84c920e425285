"""Ways to run a solution, in one process or many; equal results."""

from aura import state

RULES = state.Rules(__file__)
