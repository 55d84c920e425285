"""Waiting for a cluster, as long as a slow machine may take."""

import time

LONGEST_S = 1800


def until(true, pause_s=0.1, tell=lambda: ""):
    """Wait for something; `tell` says what is there if it does not come."""
    deadline = time.monotonic() + LONGEST_S
    while not true():
        assert time.monotonic() < deadline, tell()
        time.sleep(pause_s)
