"""The review page: predictions and annotations of a run, on the ECG."""

from aura import state

RULES = state.Rules(__file__)
