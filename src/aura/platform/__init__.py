"""The platform: blueprints, bundles, their checks, onboarding."""

from aura import state

RULES = state.Rules(__file__)
# The finding that a file breaks a rule.
broken = RULES.error
