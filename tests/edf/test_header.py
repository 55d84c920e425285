"""Headers and samples, against the specification and two other readers."""

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from pathlib import Path

import edfio
import numpy as np
import pyedflib
import pytest
from hypothesis import given, settings, strategies as st

from aura.edf import signal as edf_signal
from aura.edf.fields import NO_DATE
from aura.edf.header import read_at, read_header
from aura.edf.signal import EcgSignal
from aura.errors import AuraError, CorruptDataError
from tests.edf_builder import Channel, File, heart, noise, plus


@pytest.fixture
def stored(tmp_path):
    """Store a file and open it."""
    streams = []

    def store(file, name="r.edf"):
        path = tmp_path / name
        path.write_bytes(file if isinstance(file, bytes) else file.bytes())
        streams.append(path.open("rb"))
        return streams[-1]

    yield store
    for stream in streams:
        stream.close()


def signal_of(stream, index=0):
    return EcgSignal(stream, read_header(stream), index)


def test_header_fields_are_those_of_the_file(stored):
    header = read_header(stored(File(duration="0.5")))
    assert header.kind == "EDF"
    assert header.start == datetime(2021, 3, 2, 10, 20, 30)
    assert header.duration_s == 30
    assert header.rate_hz(header.signals[0]) == 512
    assert header.patient == "P01 X X X"
    assert header.problems == ()


def test_the_repr_of_a_header_has_no_patient(stored):
    assert "P01" not in repr(read_header(stored(File())))


@pytest.mark.parametrize("year, full", [
    ("85", 1985), ("99", 1999), ("00", 2000), ("84", 2084)])
def test_two_digit_years_are_1985_to_2084(stored, year, full):
    header = read_header(stored(File(date=f"01.02.{year}")))
    assert header.start.year == full


def test_the_year_of_yy_is_in_the_recording_field(stored):
    header = read_header(stored(plus(
        date="02.03.yy", recording="Startdate 02-MAR-2091 X X X")))
    assert header.start.year == 2091


@pytest.mark.parametrize("at", [9, 167, 171, 235, 239, 256, 400, 767])
def test_a_control_character_is_reported_with_its_place(stored, at):
    content = bytearray(File((Channel(), Channel("EEG"))).bytes())
    content[at] = 27
    with pytest.raises(
            AuraError, match=rf"edf.header.control: byte {at} .* 27;"):
        read_header(stored(bytes(content)))


def test_padding_with_nul_is_read_like_padding_with_spaces(stored):
    file = plus(patient="P01")
    content = bytearray(file.bytes())
    # Patient, recording, kind, two labels, transducers, units, the rest.
    for begin, end in ((8, 88), (88, 168), (192, 236), (256, 272), (272, 288),
                       (288, 368), (368, 448), (448, 456), (456, 464),
                       (528, 608), (608, 688), (704, 736), (736, 768)):
        content[begin:end] = bytes(content[begin:end]).rstrip().ljust(
            end - begin, b"\0")
    header = read_header(stored(bytes(content), "nul.edf"))
    assert [p.rule for p in header.problems] == ["edf.header.nul_padding"]
    assert replace(header, problems=()) == read_header(stored(file))


WHOLE = File().with_channel(digital=noise(20, 8)).bytes()


@settings(deadline=None)
@given(st.integers(16, 400), st.sampled_from(
    ["20", "-1", "0", "1", "19", "21", "99999999"]))
def test_whole_records_are_read_however_the_file_ends(
        tmp_path_factory, body, claimed):
    """Ten and more records behind the last one count as records too."""
    content = bytearray((WHOLE + bytes(range(1, 100)))[:512 + body])
    content[236:244] = claimed.ljust(8).encode()
    path = tmp_path_factory.mktemp("cut") / "r.edf"
    path.write_bytes(content)
    whole, rest = divmod(len(content) - 512, 16)
    given_count = int(claimed)
    counts = {whole}
    if 0 < given_count < whole < given_count + 10 and rest:
        counts = {given_count}
    with path.open("rb") as stream:
        header = read_header(stream)
        assert header.record_count in counts
        assert len(header.problems) == ((given_count, 0) != (whole, rest))
        found = EcgSignal(stream, header, 0)
        count = min(found.sample_count, 160)
        assert np.array_equal(found.read_digital(0, count),
                              noise(20, 8).ravel()[:count])


@pytest.mark.parametrize("date, time, recording, start", [
    ("00.00.00", "00.00.00", "", None), ("", "", "", None),
    ("02.03.21", "09:01:17", "", datetime(2021, 3, 2, 9, 1, 17)),
    ("02/03/20", "10.00.00", "", datetime(2020, 3, 2, 10)),
    ("03/25/20", "10.00.00", "", datetime(2020, 3, 25, 10)),
    ("2.3.2021", "1.2.3", "", datetime(2021, 3, 2, 1, 2, 3)),
    ("02.03.21", "24.00.00", "", None),
    ("01.01.85", "10.00.00", "02-MAR-2021", datetime(2021, 3, 2, 10)),
    ("02.03.21", "10.00.00", "01-JAN-1985", datetime(2021, 3, 2, 10)),
    ("02.03.21", "10.00.00", "03-MAR-2021", None),
    ("30.02.21", "10.00.00", "02-MAR-2021", datetime(2021, 3, 2, 10)),
    ("02.03.yy", "10.00.00", "02-M\xc4R-2021", datetime(2021, 3, 2, 10)),
    ("02.05.21", "10.00.00", "02-Mai-2021", datetime(2021, 5, 2, 10)),
    ("02.10.21", "10.00.00", "02-Okt-2021", datetime(2021, 10, 2, 10)),
    ("02.12.21", "10.00.00", "02-DEZ-2021", datetime(2021, 12, 2, 10)),
    ("02.03.21", "10.00.00", "0003", datetime(2021, 3, 2, 10)),
    ("02.03.yy", "10.00.00", "02-MAR-9999", None)])
def test_a_date_costs_no_recording(stored, date, time, recording, start):
    header = read_header(stored(plus(
        date=date, time=time, recording=f"Startdate {recording or 'X'} X")))
    assert header.dated == (start is not None)
    assert header.problems
    if start is None:
        assert header.start.date() == NO_DATE.date() or time == "24.00.00"
    else:
        assert header.start == start


def test_startdate_x_changes_nothing(stored):
    header = read_header(stored(plus(recording="Startdate X X X X")))
    assert header.start.year == 2021
    assert header.problems == ()


@pytest.mark.parametrize("duration, samples, rate", [
    ("1", 256, 256.0), ("0.1", 25, 250.0), ("3", 1000, 1000 / 3),
    ("0.33", 100, 100 / 0.33)])
def test_rate_is_exact(stored, duration, samples, rate):
    file = File(duration=duration).with_channel(digital=heart(60, samples))
    assert signal_of(stored(file)).fs_hz == pytest.approx(rate, rel=1e-15)


@pytest.mark.parametrize("unit, factor", [
    ("mV", 1), ("uV", 1e-3), ("\u00b5V", 1e-3),
    ("\u00b5V".encode(), 1e-3), ("\u03bcV".encode(), 1e-3), ("nV", 1e-6),
    ("V", 1e3)])
def test_units_are_read_as_millivolts(stored, unit, factor):
    signal = signal_of(stored(File().with_channel(unit=unit)))
    assert signal.unit == "mV"
    assert signal.rails == pytest.approx((-5 * factor, 5 * factor))
    expected = -5 + (heart(60, 256)[0] + 32768) * 10 / 65535
    assert signal.read(0, 256) == pytest.approx(
        expected * factor, abs=1e-12 * factor)


@pytest.mark.parametrize("unit", ["", "mmHg"])
def test_another_unit_is_read_as_it_is(stored, unit):
    signal = signal_of(stored(File().with_channel(unit=unit)))
    assert signal.unit == ""
    assert signal.rails == (-5, 5)


def test_inverted_physical_range_turns_the_signal(stored):
    file = File()
    turned = file.with_channel(physical=("5", "-5"))
    assert signal_of(stored(turned, "b.edf")).rails == (-5, 5)
    assert signal_of(stored(turned, "b.edf")).read(0, 999) == pytest.approx(
        -signal_of(stored(file)).read(0, 999), abs=1e-12)


def test_every_24_bit_value_survives(stored):
    values = np.array([[-8388608, -8388607, -65536, -1, 0, 1, 127, 128, 255,
                        256, 65535, 65536, 8388606, 8388607]])
    file = File(version=b"\xffBIOSEMI", reserved="24BIT").with_channel(
        digital=values, range=("-8388608", "8388607"))
    signal = signal_of(stored(file))
    assert signal.read_digital(0, 14).tolist() == values[0].tolist()


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 30), st.integers(0, 3),
       st.sampled_from([2, 3]), st.integers(1, 12000), st.data())
def test_any_samples_are_those_that_were_written(
        tmp_path_factory, records, samples, index, size, other, data):
    rng = np.random.default_rng(records * 31 + samples)
    limit = 1 << (8 * size - 1)
    channels = [
        Channel(f"ECG{i}", range=(str(-limit), str(limit - 1)),
                digital=rng.integers(-limit, limit, (records, width)))
        for i, width in enumerate((3, other, samples, 1))]
    version = b"0" if size == 2 else b"\xffBIOSEMI"
    path = tmp_path_factory.mktemp("any") / "r.edf"
    path.write_bytes(File(tuple(channels), version=version).bytes())
    truth = channels[index].digital.ravel()
    start = data.draw(st.integers(0, truth.size))
    stop = data.draw(st.integers(start, truth.size))
    with path.open("rb") as stream:
        signal = signal_of(stream, index)
        found = signal.read_digital(start, stop)
        values = signal.read(start, stop)
    assert np.array_equal(found, truth[start:stop])
    exact = -5 + (truth[start:stop] + limit) * (10 / (2 * limit - 1))
    assert values == pytest.approx(exact, abs=4e-15)


def test_many_blocks_give_the_same_as_one(stored, monkeypatch):
    digital = noise(100, 256)
    stream = stored(File().with_channel(digital=digital))
    monkeypatch.setattr(edf_signal, "BLOCK_BYTES", 1500)
    found = signal_of(stream).read_digital(3, 25_000)
    assert np.array_equal(found, digital.ravel()[3:25_000])


def test_a_second_is_read_without_the_hours_of_its_record(
        stored, monkeypatch):
    digital = noise(1, 1_000_000)
    file = File(duration="4000").with_channel(digital=digital)
    signal = signal_of(stored(file))
    read = []

    def counted(descriptor, count, at):
        read.append(count)
        return read_at(descriptor, count, at)

    monkeypatch.setattr(edf_signal, "read_at", counted)
    found = signal.read_digital(500_000, 500_250)
    assert np.array_equal(found, digital.ravel()[500_000:500_250])
    assert sum(read) == 500


@pytest.mark.parametrize("start, stop", [(-1, 5), (5, 4), (0, 15361)])
def test_samples_outside_the_signal_are_an_error(stored, start, stop):
    signal = signal_of(stored(File()))
    with pytest.raises(ValueError, match="not inside"):
        signal.read(start, stop)


def test_a_file_that_shrinks_while_it_is_read_is_an_error(stored, tmp_path):
    signal = signal_of(stored(File()))
    with (tmp_path / "r.edf").open("r+b") as stream:
        stream.truncate(2000)
    with pytest.raises(CorruptDataError, match="edf.truncated"):
        signal.read(0, 15_000)


@pytest.mark.parametrize("system", ["with pread", "without pread"])
def test_eight_threads_on_one_file_read_the_same(
        stored, monkeypatch, system):
    if system == "without pread":
        monkeypatch.delattr("os.pread")
    digital = noise(120, 256).ravel()
    stream = stored(File().with_channel(digital=digital.reshape(120, 256)))

    def right(seed):
        signal = signal_of(stream)
        start = int(np.random.default_rng(seed).integers(0, 29_000))
        return np.array_equal(signal.read_digital(start, start + 1700),
                              digital[start:start + 1700])

    stream.seek(7)
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(right, range(800)))
    assert stream.tell() == 7


def test_a_fault_of_another_channel_does_not_matter(stored):
    dummy = Channel("-", "", ("0", "0"), ("0", "0"))
    stream = stored(File((Channel(), dummy)))
    header = read_header(stream)
    assert header.signals[1].fault.rule == "edf.digital_range"
    assert EcgSignal(stream, header, 0).sample_count == 15360
    with pytest.raises(AuraError, match="edf.digital_range"):
        EcgSignal(stream, header, 1)


@pytest.mark.parametrize("text", [
    b"1.", b".5", b"+1", b" 2 ", b"00001.50"])
def test_plain_decimals_are_read_exactly(stored, text):
    header = read_header(stored(File(duration=text)))
    assert header.record_duration_s == Fraction(text.strip().decode())


GENERATED = {
    "plain": File((Channel(), Channel("EEG", digital=noise(60, 100)))),
    "EDF+": plus(),
    "odd gain": File().with_channel(
        physical=("-3.141", "2.718"), range=("-2048", "2047"),
        digital=heart(60, 256, 1500)),
    "inverted": File().with_channel(physical=("5", "-5")),
    "many": File(tuple(Channel(f"ECG{i}", digital=noise(60, 10 + i))
                       for i in range(60))),
}


@pytest.mark.parametrize("name", GENERATED)
def test_samples_agree_with_pyedflib_and_edfio(tmp_path, name):
    path = tmp_path / "r.edf"
    path.write_bytes(GENERATED[name].bytes())
    assert_readers_agree(path)


def test_samples_agree_on_bdf(tmp_path):
    path = tmp_path / "r.bdf"
    digital = noise(60, 256) * 99
    path.write_bytes(replace(
        plus(kind="BDF+C"), channels=(
            Channel(range=("-8388608", "8388607"), digital=digital),
        )).bytes())
    with pyedflib.EdfReader(str(path)) as other, path.open("rb") as stream:
        found = signal_of(stream).read_digital(0, digital.size)
        assert np.array_equal(found, other.readSignal(0, digital=True))
        assert np.array_equal(found, digital.ravel())


def test_samples_agree_on_real_recordings(data_dir):
    paths = [*sorted((data_dir / "mitdb").glob("*.edf"))[:3],
             *sorted((data_dir / "szdb").rglob("*.edf"))[:2]]
    assert paths
    for path in paths:
        assert_readers_agree(path)


def assert_readers_agree(path: Path) -> None:
    """Samples identical, millivolts within 1 ulp of the exact formula."""
    second = edfio.read_edf(io.BytesIO(path.read_bytes()))
    with pyedflib.EdfReader(str(path)) as first, path.open("rb") as stream:
        header = read_header(stream)
        assert header.start == first.getStartdatetime()
        assert len(header.signals) == first.signals_in_file
        for index, other in enumerate(second.signals):
            signal = EcgSignal(stream, header, index)
            count = signal.sample_count
            assert signal.fs_hz == other.sampling_frequency
            found = signal.read_digital(0, count)
            assert np.array_equal(found, first.readSignal(index, digital=True))
            assert np.array_equal(found, other.digital)
            ulp = np.spacing(max(map(abs, signal.rails)))
            values = signal.read(0, count)
            assert np.max(np.abs(values - exact(header, index, found))) <= ulp
            # The other two round in steps of their own.
            assert np.max(np.abs(values - other.data)) <= 2 * ulp
            assert np.max(np.abs(values - first.readSignal(index))) <= 2 * ulp


def exact(header, index, digital):
    """The formula of the specification, in exact arithmetic, rounded."""
    low, high = header.signals[index].digital
    bottom, top = header.signals[index].physical
    values, places = np.unique(digital, return_inverse=True)
    return np.array([
        float(bottom + (int(value) - low) * (top - bottom) / (high - low))
        for value in values])[places]
