"""The platform: blueprints, bundles, their checks, onboarding."""
