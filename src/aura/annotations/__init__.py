"""Annotations of recordings in the formats of the field, read and written."""
