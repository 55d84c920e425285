"""Minima and maxima of stretches keep narrow peaks."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from aura.ecg.rollup import minmax
from aura.errors import InvalidInputError

SAMPLES = st.lists(st.floats(-9, 9) | st.just(np.nan), max_size=40)


def slow(samples, factor):
    """The same in a loop."""
    low, high = [], []
    for start in range(0, len(samples), factor):
        part = [x for x in samples[start:start + factor] if x == x]
        low.append(min(part, default=np.nan))
        high.append(max(part, default=np.nan))
    return low, high


@given(SAMPLES, st.integers(1, 12))
def test_each_stretch_has_its_smallest_and_largest_value(samples, factor):
    found = minmax(np.array(samples, float), factor)
    assert np.array_equal(found, slow(samples, factor), equal_nan=True)


def test_a_narrow_peak_survives():
    samples = np.zeros(10_000)
    samples[4321] = 1.0
    assert minmax(samples, 64)[1].max() == 1.0


@pytest.mark.parametrize("factor", [0, -3])
def test_an_impossible_factor_is_refused(factor):
    with pytest.raises(InvalidInputError, match="rollup.factor"):
        minmax(np.ones(3), factor)
