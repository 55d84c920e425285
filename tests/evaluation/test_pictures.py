"""Pictures of an evaluation show its values, and all of its detectors."""

import numpy as np
import pytest

from aura.evaluation import pictures

DETECTORS = 11


def detector(number):
    """One of several whose curves coincide."""
    curve = [{"false_alarms_per_24h": rate, "found": found, "seizures": 8}
             for rate, found in ((0.0, 2), (.5, 5), (1.5, 4), (3.0, 8))]
    return {
        "name": f"detector {number}",
        "threshold": "chosen in each fold",
        "curve_with_hindsight": curve,
        "rounds": [{"everybody": {
            "found": 5, "seizures": 8, "false_alarms": 3, "hours": 71.9,
            "sensitivity": {"value": .625, "low": .24, "high": .91},
            "false_alarms_per_24h": {"value": 1.0}}}],
        "reliability": {"predicted": [.1, .9], "observed": [.0, .04],
                        "rows": [1000.0, 234.0], "brier": .00185}}


@pytest.fixture
def report():
    return {"detectors": [detector(n) for n in range(DETECTORS)]}


def test_curves_lie_on_their_values_even_if_they_coincide(report):
    (axes,) = pictures._sensitivity(report).axes
    curves = [line for line in axes.lines if len(line.get_xdata()) == 4]
    assert len(curves) == DETECTORS
    for line in curves:
        assert line.get_xdata().tolist() == [0.0, .5, 1.5, 3.0]
        # The most that a rate allows: a higher one may find fewer.
        np.testing.assert_allclose(
            line.get_ydata(), [2 / 8, 5 / 8, 5 / 8, 1.0], rtol=1e-12)


def test_curves_that_coincide_have_dashes_and_colours_of_their_own(report):
    (axes,) = pictures._sensitivity(report).axes
    looks = {(line.get_color(), str(line._dash_pattern))
             for line in axes.lines if len(line.get_xdata()) == 4}
    assert len(looks) >= 8


def test_counts_and_intervals_are_in_the_pictures(report):
    figure = pictures._sensitivity(report)
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(texts) == DETECTORS
    assert "5/8 (0.24 to 0.91), 3 false in 72 h" in texts[0]
    figure = pictures._reliability(report)
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(texts) == DETECTORS
    assert "0.0019" in texts[0] or "0.0018" in texts[0]
    assert "1,234 rows" in texts[0]
