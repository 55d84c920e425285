"""`aura replay`: the events of a stream beside those of the batch."""

import numpy as np
import pytest

from aura import cli
from aura.recording import Event
from aura.runners import local, replay
from aura.settings import Settings
from aura.synthetic.cohort import write_cohort, write_edf
from aura.synthetic.waveform import ecg


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("replay")
    write_cohort(folder / "study", patients=3, hours=.25, seed=1)
    report, _ = local.train([folder / "study"], folder / "model", Settings())
    assert report.model_path
    return folder / "model"


def predicted(path, model, out, settings=Settings()):
    local.predict([path], model, out, settings)
    text, = (one.read_text() for one in out.rglob("*.tsv")
             if ".aura" not in one.parts)
    return [tuple(map(float, line.split("\t")[:2]))
            for line in text.splitlines()[1:] if "\tsz\t" in line]


def test_a_file_of_beats_has_the_very_events_of_predict(
        model, tmp_path, capsys):
    write_cohort(tmp_path / "other", patients=1, hours=.25, seed=7)
    edf = next((tmp_path / "other").rglob("*.edf"))
    assert cli.main(["beats", str(edf), "--out", str(tmp_path / "csv")]) == 0
    beats = next((tmp_path / "csv").rglob("*.csv"))
    # Twice the same, so that the second alarm has a first one before it.
    head, *times = beats.read_text().split()
    times = [float(one) for one in times if float(one) < 700]
    beats.write_text("\n".join([head, *(
        f"{one:.6f}" for one in (*times, *(one + 700 for one in times))
    )]) + "\n")
    done = replay.replay(beats, model, Settings())
    assert done.identical and done.events and not done.live
    assert done.scorable_differs == done.alarm_rows_differ == 0
    assert [(event.onset_s, event.duration_s) for event in done.events] == (
        predicted(beats, model, tmp_path / "out"))
    assert len(done.hop_ms) - done.rows in (0, 1)
    # Held against the first, the second comes later or not at all.
    adaptive = Settings(adapt_after_h=.05)
    other = replay.replay(beats, model, adaptive)
    assert other.identical and other.events[0] == done.events[0]
    assert other.events != done.events
    assert [(event.onset_s, event.duration_s) for event in other.events] == (
        predicted(beats, model, tmp_path / "adaptive", adaptive))


def test_a_waveform_with_a_gap_and_noise_has_the_same_events(
        model, tmp_path):
    write_cohort(tmp_path / "other", patients=1, hours=.25, seed=7)
    edf = next((tmp_path / "other").rglob("*.edf"))
    spoilt = tmp_path / "spoilt.edf"
    write_edf(spoilt, ecg(600.0, seed=9, faults=(
        Event(200, 20, "flat"), Event(400, 30, "noise"))))
    for path in (edf, spoilt):
        told = []
        done = replay.replay(path, model, Settings(), tell=told.append)
        assert done.live and done.identical
        assert done.scorable_differs <= 20
        assert [one.time_s for one in told] == pytest.approx(
            np.arange(1, done.rows + 1))
        assert sum(one.alarm for one in told) >= len(done.events)
    # From the batch's own beats nothing can differ.
    done = replay.replay(spoilt, model, Settings(), by_beats=True)
    assert done.identical and not done.live
    assert done.scorable_differs == done.alarm_rows_differ == 0


def test_real_beats_have_the_very_events_of_the_batch(
        model, data_dir, tmp_path):
    path = data_dir / "szdb-rr/szC/sz05.beats.csv"
    if not path.is_file():
        pytest.skip(f"no recording {path}")
    # The half hour with the seizure in it.
    lines = path.read_text().split()
    short = tmp_path / "sz05.beats.csv"
    short.write_text("\n".join(lines[:1] + [
        line for line in lines[1:] if float(line) < 1900]) + "\n")
    done = replay.replay(short, model, Settings())
    assert done.identical and done.alarm_rows_differ == 0


def test_the_command_says_events_and_time(model, tmp_path, capsys):
    write_edf(tmp_path / "a.edf", ecg(70.0, seed=1))
    assert cli.main(["replay", str(tmp_path / "a.edf"), "--model",
                     str(model), "--speed", "1000"]) == 0
    text = capsys.readouterr().out
    for part in ("0 events in 0:01:10", "the same events", " 12 s ",
                 " ms (median)", "not a medical device"):
        assert part in text
    assert cli.main(["replay", str(tmp_path), "--model", str(model)]) == 1
    assert "replay.file" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["replay", "--help"])
    assert "example:" in capsys.readouterr().out


def test_what_cannot_be_scored_is_said_beside_no_events(
        model, tmp_path, capsys):
    # Shorter than one hop: there is no row at all.
    (tmp_path / "two.csv").write_text("beat_time_s\n0.1\n0.9\n")
    write_edf(tmp_path / "short.edf", ecg(9.0, seed=1))
    for name in ("two.csv", "short.edf"):
        assert cli.main(["replay", str(tmp_path / name), "--model",
                         str(model)]) == 0
        found = capsys.readouterr()
        assert "0 events" in found.out and "\n0 of " in found.out
        assert "signal.unscorable" in found.err


@pytest.mark.parametrize("speed", ["fast", "nan", "-1", "1e7"])
def test_a_speed_that_is_none_is_said_as_it_was_written(speed, capsys):
    with pytest.raises(SystemExit):
        cli.main(["replay", "a.edf", "--model", "m", f"--speed={speed}"])
    assert f"{speed} is not a number" in capsys.readouterr().err
