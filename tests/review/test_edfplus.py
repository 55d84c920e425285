"""Reviews open in what else reads EDF+."""

from datetime import datetime

import edfio
import pyedflib
import pytest

from aura.recording import Event
from aura.review import edfplus

START = datetime(2001, 2, 3, 4, 5, 6)
EVENTS = [Event(0.0, 12.5, "sz"), Event(100.25, 50, "sz_foc_ia"),
          Event(3599.9, 0.1, "発作 приступ")]


def written(tmp_path, events, duration_s=3600.0, start=START):
    path = tmp_path / "review.edf"
    path.write_bytes(edfplus.write(events, start, duration_s))
    return path


def test_edfio_reads_back_every_event(tmp_path):
    file = edfio.read_edf(written(tmp_path, EVENTS))
    assert [(one.onset, one.duration, one.text)
            for one in file.annotations] == [
        (event.onset_s, event.duration_s, event.label) for event in EVENTS]
    assert file.startdate == START.date()
    assert file.starttime == START.time()
    assert file.duration >= 3600


def test_pyedflib_reads_back_every_event(tmp_path):
    with pyedflib.EdfReader(str(written(tmp_path, EVENTS))) as file:
        onsets, lengths, texts = file.readAnnotations()
        assert file.getStartdatetime() == START
    assert onsets.tolist() == pytest.approx([0, 100.25, 3599.9])
    assert [float(length) for length in lengths] == pytest.approx(
        [12.5, 50, .1])
    assert list(texts)[:2] == ["sz", "sz_foc_ia"]


def test_many_events_keep_records_small(tmp_path):
    events = [Event(8.0 * n, 2.5, f"sz_{n}") for n in range(10_000)]
    path = written(tmp_path, events, 86_400.0)
    file = edfio.read_edf(path)
    assert [one.text for one in file.annotations] == [
        event.label for event in events]
    assert int(path.read_bytes()[472:480]) * 2 <= 61_440


@pytest.mark.parametrize("start", [
    datetime(1950, 1, 1), datetime(1985, 1, 1), datetime(2084, 12, 31),
    datetime(2090, 6, 7)])
def test_the_day_stands_in_the_header_in_any_century(tmp_path, start):
    path = written(tmp_path, EVENTS, start=start)
    text = path.read_bytes()[88:184].decode()
    month = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()[
        start.month - 1]
    assert f"Startdate {start:%d}-{month}-{start.year}" in text
    # The specification's own way out, which not every reader knows.
    if not 1985 <= start.year <= 2084:
        assert path.read_bytes()[168:176] == f"{start:%d.%m}.yy".encode()
    else:
        assert edfio.read_edf(path).startdate == start.date()


def test_a_fraction_of_the_start_goes_into_the_onsets(tmp_path):
    path = written(tmp_path, [Event(10.0, 5, "sz")],
                   start=START.replace(microsecond=250_000))
    file = edfio.read_edf(path)
    assert file.starttime == START.time().replace(microsecond=250_000)
    assert [one.onset for one in file.annotations] == [10.0]


def test_no_name_of_anybody_is_written(tmp_path):
    header = written(tmp_path, EVENTS).read_bytes()[:256]
    assert header[8:88].split() == [b"X"] * 4
