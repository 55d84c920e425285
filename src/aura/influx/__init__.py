"""Recordings and predictions in InfluxDB."""

from aura import state

RULES = state.Rules(__file__)
