"""Scores of predicted events against annotated seizures, as SzCORE does."""

from aura import state

RULES = state.Rules(__file__)
