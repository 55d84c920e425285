"""EDF, EDF+ and BDF: reading and writing."""

from aura import state

RULES = state.Rules(__file__)
