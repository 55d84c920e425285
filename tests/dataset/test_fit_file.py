"""RR intervals of FIT files."""

import io
import sys
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from aura.dataset import assemble, beat_files, find, fit_file
from aura.errors import AuraError
from aura.folder import Folder
from tests.fit_builder import fit, hrv, record

START = datetime(2023, 1, 1, 22)
START_FIT = round((START - datetime(1989, 12, 31)).total_seconds())


def messages(rr_ms, lost_s=0, lost_at=0):
    """Those of a watch: each second its record, then the intervals in it."""
    ends = np.cumsum(rr_ms) / 1000
    ends[lost_at:] += lost_s
    second = 0
    for rr, end in zip(rr_ms, ends, strict=True):
        while second + 1 <= end:
            second += 1
            yield record(START_FIT + second)
        yield hrv([rr])


def series_of(content):
    return beat_files.read(io.BytesIO(content))


def hearts_rr(count, seed=1):
    rng = np.random.default_rng(seed)
    return (850 + 50 * np.sin(np.arange(count) / 5)
            + rng.normal(0, 20, count)).astype(int).tolist()


def test_intervals_of_a_watch_are_read_with_their_start():
    rr = hearts_rr(600)
    series = series_of(fit(messages(rr)))
    assert (series.form, series.problems) == ("rr", ())
    assert series.time_s == pytest.approx(np.append(0, np.cumsum(rr)) / 1000)
    assert abs(series.start - START) < timedelta(seconds=1.5)


@pytest.mark.parametrize("lost_s", [30, 4000])
def test_time_without_intervals_is_a_gap(lost_s):
    rr = hearts_rr(600)
    series = series_of(fit(messages(rr, lost_s, 300)))
    assert series.duration_s == pytest.approx(sum(rr) / 1000 + lost_s, abs=1)
    found, = series.beats().unscorable
    assert np.diff(found) == pytest.approx(lost_s, abs=1)


def test_invalid_intervals_do_not_count():
    rr = hearts_rr(100)
    parts = [hrv([65535, *rr[at:at + 4]]) for at in range(0, 100, 4)]
    assert series_of(fit(parts)).duration_s == pytest.approx(sum(rr) / 1000)


@pytest.mark.parametrize("parts", [[], [hrv([])], [
    record(START_FIT + second) for second in range(60)]])
def test_a_file_without_intervals_is_rejected(parts):
    with pytest.raises(AuraError, match="fit.no_rr"):
        series_of(fit(parts))


def test_without_the_package_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "fitdecode", None)
    with pytest.raises(AuraError, match=r"fit.missing: .*\[laptop\]"):
        series_of(fit(messages(hearts_rr(60))))


def test_a_large_file_is_rejected(monkeypatch):
    monkeypatch.setattr(fit_file, "BYTES_MAX", 100)
    with pytest.raises(AuraError, match="fit.size"):
        series_of(fit(messages(hearts_rr(60))))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damage_is_noticed(data):
    content = bytearray(fit(messages(hearts_rr(40))))
    at = data.draw(st.integers(12, len(content) - 1))
    if data.draw(st.booleans()):
        content[at] ^= data.draw(st.integers(1, 255))
    else:
        del content[at:]
    with pytest.raises(AuraError, match="fit.damaged"):
        series_of(bytes(content))


def test_only_what_begins_as_fit_is_a_recording(tmp_path):
    (tmp_path / "ride.fit").write_bytes(fit(messages(hearts_rr(90))))
    (tmp_path / "other.fit").write_bytes(b"fit and well")
    (tmp_path / "x.FIT").write_bytes(fit([]))
    folder = Folder(tmp_path)
    found = find.recordings(folder)
    assert [one.name for one in found] == ["ride.fit", "x.FIT", "."]
    assert "1 FIT (.fit)" in found[2].problem.text
    problem, = assemble.recording(folder, found[1]).problems
    assert (problem.level, problem.rule) == ("error", "fit.no_rr")
