"""Measurements of CPU time, side by side with other libraries."""
