"""Folders of recordings: what is in them, whose it is, what is true."""
