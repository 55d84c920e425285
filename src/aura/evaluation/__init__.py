"""Detectors side by side, each scored on people it has never seen."""
