"""Synthetic heart beats, ECG and cohorts with known seizures."""
