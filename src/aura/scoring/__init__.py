"""Scores of predicted events against annotated seizures, as SzCORE does."""
