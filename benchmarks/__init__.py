"""Measurements: CPU seconds beside those of peers, in one run."""
