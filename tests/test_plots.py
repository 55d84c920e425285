"""Figures show both layers of any recording, with any text."""

import numpy as np
import pytest
from matplotlib.image import imread

from aura.errors import InvalidInputError
from aura.plots import ORIGINAL, PREDICTED, clock, draw, readable
from aura.recording import Event

NONE = np.empty((0, 2))
HOSTILE = ["$\\frac{x}{0}$", "$unclosed", "_^{\\", "a\nb\x1b[31m", "",
           "😀 файл 日本", "\udc80bytes", "x" * 5000, "\\", "%s{}"]


def picture(folder, duration_s=600.0, name="one.png", **changes):
    """Draw a recording, and return the path of the figure."""
    time_s = np.arange(0, duration_s)
    rate = 60 + 40 * (np.abs(time_s - duration_s / 2) < 40)
    arguments = {
        "title": "szA/sz01.edf", "time_s": time_s, "heart_rate_bpm": rate,
        "baseline_bpm": np.full(len(time_s), 61.0),
        "probability": (rate - 55) / 60, "threshold": .5,
        "reference": (Event(duration_s * .45, duration_s * .1),),
        "predicted": (Event(duration_s * .5, duration_s * .1, "sz", .81),),
        "unscorable": np.array([[0, duration_s * .1]]),
        "duration_s": duration_s, **changes}
    return draw(folder / name, **arguments)


def contains(path, colour):
    """Whether a figure contains a colour."""
    pixels = (imread(path)[..., :3] * 255).round().astype(int)
    wanted = [int(colour[n:n + 2], 16) for n in (1, 3, 5)]
    return bool((np.abs(pixels - wanted).max(axis=2) <= 1).any())


@pytest.mark.parametrize("duration_s", [1.0, 17.0, 86400.0])
def test_recordings_of_any_length_are_drawn(tmp_path, duration_s):
    path = picture(tmp_path, duration_s)
    assert imread(path).shape == (912, 1680, 4)
    assert [file.name for file in tmp_path.iterdir()] == ["one.png"]


@pytest.mark.parametrize("reference, predicted", [
    (True, True), (True, False), (False, True), (False, False)])
def test_each_layer_has_its_colour_if_it_has_events(
        tmp_path, reference, predicted):
    # The legend is paler; the names of the layers have the full colours.
    some = (Event(200, 100),)
    blank = picture(tmp_path, name="blank.png", reference=(), predicted=())
    path = picture(tmp_path, reference=some if reference else (),
                   predicted=some if predicted else ())
    lanes = slice(720, 810), slice(400, 900)

    def drawn(colour):
        pixels = (imread(path)[lanes][..., :3] * 255).round()
        wanted = [int(colour[n:n + 2], 16) for n in (1, 3, 5)]
        return (pixels == wanted).all(axis=2).sum() > 100

    assert drawn(ORIGINAL) == reference
    assert drawn(PREDICTED) == predicted
    assert contains(blank, ORIGINAL) and contains(blank, PREDICTED)


def test_an_event_of_a_second_in_a_day_is_seen(tmp_path):
    path = picture(tmp_path, 86400.0, reference=(Event(43200, 1),),
                   predicted=())
    pixels = (imread(path)[720:810, 400:1600, :3] * 255).round()
    assert (pixels == [0x00, 0x72, 0xB2]).all(axis=2).sum() >= 40


@pytest.mark.parametrize("title", HOSTILE)
def test_hostile_text_is_drawn_as_text(tmp_path, title):
    picture(tmp_path, title=title, predicted=(Event(1, 2, title or "sz"),))


def test_text_is_made_readable():
    assert readable("a\nb\x1b", 9) == "a□b□"
    assert readable("$x^2$", 9) == "$x^2$"
    assert readable("abcdefghij", 6) == "ab…hij"


def test_not_annotated_differs_from_no_seizure_annotated(tmp_path):
    one = picture(tmp_path, name="a.png", reference=None)
    two = picture(tmp_path, name="b.png", reference=())
    assert one.read_bytes() != two.read_bytes()


def test_equal_data_give_equal_bytes(tmp_path):
    one = picture(tmp_path, name="a.png")
    assert one.read_bytes() == picture(tmp_path, name="b.png").read_bytes()


def test_nothing_scorable_is_drawn(tmp_path):
    gone = np.full(600, np.nan)
    picture(tmp_path, heart_rate_bpm=gone, baseline_bpm=gone,
            probability=gone, unscorable=np.array([[0.0, 600.0]]),
            reference=None, predicted=())


@pytest.mark.parametrize("count", [0, 1])
def test_hardly_any_rows_are_drawn(tmp_path, count):
    row = np.arange(count, dtype=float)
    picture(tmp_path, 5.0, time_s=row, heart_rate_bpm=row, baseline_bpm=row,
            probability=row, unscorable=NONE)


def test_thousands_of_events_are_drawn(tmp_path):
    events = [Event(20.0 * n, 5, "sz", .5) for n in range(1000)]
    spans = np.array([[20.0 * n + 9, 20.0 * n + 12] for n in range(1000)])
    picture(tmp_path, 20_000.0, reference=events, predicted=events,
            unscorable=spans)


@pytest.mark.parametrize("threshold", [0.0, .99])
def test_any_threshold_is_drawn(tmp_path, threshold):
    picture(tmp_path, threshold=threshold)


def test_rows_of_different_length_are_rejected(tmp_path):
    with pytest.raises(InvalidInputError, match="picture.shape: the baseline"):
        picture(tmp_path, baseline_bpm=np.ones(3))
    assert list(tmp_path.iterdir()) == []


def test_a_recording_without_length_is_rejected(tmp_path):
    row = np.empty(0)
    with pytest.raises(InvalidInputError, match="picture.duration"):
        picture(tmp_path, 0.0, time_s=row, heart_rate_bpm=row,
                baseline_bpm=row, probability=row)


@pytest.mark.parametrize("seconds, text, short", [
    (0, "0:00:00", "0:00"), (59.6, "0:01:00", "0:01"),
    (86399, "23:59:59", "23:59"), (100 * 3600, "100:00:00", "100:00")])
def test_times_are_clock_times(seconds, text, short):
    assert (clock(seconds), clock(seconds, False)) == (text, short)
