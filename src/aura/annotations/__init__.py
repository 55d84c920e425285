"""Annotations of recordings: formats that are read and written."""
