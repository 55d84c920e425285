"""Labels cover what is annotated, no more and no less."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from aura.ecg.features import row_times
from aura.ecg.labels import seizure_fraction
from aura.recording import Event

# Times in tenths of a second, so that an oracle can count them.
TENTHS = st.integers(-50, 1500)
EVENTS = st.lists(st.tuples(TENTHS, st.integers(0, 600), st.sampled_from(
    ["sz", "sz_foc_ia_nm", "bckg", "impd"])), max_size=8)


def event(onset, length, label="sz"):
    return Event(onset / 10, length / 10, label)


@given(EVENTS, st.sampled_from([0.5, 1.0, 2.0, 10.0]))
def test_label_seconds_are_what_the_seizures_cover(listed, hop_s):
    duration = 1200
    tenths = np.zeros(duration, dtype=bool)
    for onset, length, label in listed:
        if label.startswith("sz"):
            tenths[max(onset, 0):max(onset + length, 0)] = True
    times = row_times(duration / 10, hop_s)
    labels = seizure_fraction(
        [event(*one) for one in listed], times, hop_s)
    assert labels.min() >= 0 and labels.max() <= 1
    assert labels.sum() * hop_s == pytest.approx(tenths.sum() / 10)
    per_hop = tenths.reshape(-1, round(hop_s * 10)).mean(axis=1)
    assert labels == pytest.approx(per_hop)


def test_a_seizure_half_in_a_hop_is_half_a_label():
    labels = seizure_fraction([Event(2.5, 1.0, "sz")], row_times(5, 1), 1.0)
    assert labels.tolist() == [0, 0, .5, .5, 0]


def test_the_row_that_ends_at_onset_is_not_yet_seizure():
    labels = seizure_fraction([Event(2.0, 1.0, "sz")], row_times(4, 1), 1.0)
    assert labels.tolist() == [0, 0, 1, 0]


def test_what_lies_in_the_broken_last_hop_has_no_row():
    labels = seizure_fraction([Event(9.0, 5.0, "sz")], row_times(10.7, 1), 1)
    assert labels.tolist() == [0] * 9 + [1]


def test_no_rows_have_no_labels():
    assert len(seizure_fraction(
        [Event(0, 5, "sz")], row_times(.4, 1), 1)) == 0


@pytest.mark.parametrize("duration_s, hop_s, count", [
    (0, 1, 0), (0.999, 1, 0), (1, 1, 1), (17, 10, 1), (86400, .5, 172800),
    (0.3, 0.1, 3), (2.9999999999, 1, 3)])
def test_every_whole_hop_has_a_row(duration_s, hop_s, count):
    times = row_times(duration_s, hop_s)
    assert len(times) == count
    assert times == pytest.approx(hop_s * np.arange(1, count + 1))
