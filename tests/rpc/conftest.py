"""Toys of blocks, each served by a process."""

import pytest

from tests.served import served_toys


@pytest.fixture(scope="session")
def builder():
    """A toy feature-builder that all tests of the session may call."""
    with served_toys() as begin:
        served = begin("feature-builder").connect()
        served.wait_for("SERVING")
        yield served


@pytest.fixture(scope="session")
def pair():
    """Two toy feature-builders that all tests of the session may call."""
    with served_toys() as begin:
        yield [begin("feature-builder").connect() for _ in range(2)]
