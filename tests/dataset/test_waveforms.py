"""Waveforms in other formats than EDF, compared with the package wfdb."""

import gzip
import json
import warnings
from datetime import UTC, date, datetime, time

import numpy as np
import pytest

from aura.dataset import assemble, find, mne_raw, wfdb_record
from aura.dataset.assemble import Refused
from aura.edf.fields import NO_DATE
from aura.errors import AuraError
from aura.folder import Folder
from tests.edf_builder import heart
from tests.waveform_builder import ishne, physio

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import mne
    import wfdb

pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")
FS_HZ = 250
PACKED = ("310", "311")  # The package reads, but does not write these


def opened(folder, **settings):
    """Each recording of a folder, with its ECG in mV or why there is none."""
    inside = Folder(folder)
    found = {}
    for candidate in find.recordings(inside):
        recording = assemble.recording(inside, candidate, **settings)
        if isinstance(recording, Refused):
            found[recording.path] = recording, None
            continue
        with assemble.open_signal(inside, recording) as signal:
            found[recording.path] = (
                recording, signal.read(0, signal.sample_count))
    return found


def rules(recording):
    return [problem.rule for problem in recording.problems]


def record(folder, fmt="16", fs_hz=FS_HZ, leads=("ECG", "resp"), **more):
    """A record written by the package wfdb; its counts."""
    beats = heart(70, fs_hz).ravel()
    bits = {"80": 8, "310": 10, "311": 10, "212": 12}.get(fmt, 16)
    counts = np.column_stack([np.roll(beats, 5 * n) for n in range(
        len(leads))]).astype(np.int64)
    counts = counts * (2 ** (bits - 1) - 2) // np.abs(counts).max()
    wfdb.wrsamp("r", fs_hz, ["mV"] * len(leads), list(leads),
                d_signal=counts,
                fmt=["16" if fmt in PACKED else fmt] * len(leads),
                adc_gain=[2.0 ** (bits - 4)] * len(leads),
                baseline=[-3] * len(leads), write_dir=str(folder), **more)
    return counts


@pytest.mark.parametrize("leads", [("ECG",), ("ECG", "resp"),
                                   ("resp", "V1", "ECG")])
@pytest.mark.parametrize("fmt", [
    "80", "16", "24", "32", "212", "310", "311"])
def test_a_record_has_the_samples_that_wfdb_reads(tmp_path, fmt, leads):
    record(tmp_path, fmt, leads=leads)
    if fmt in PACKED:
        pack(tmp_path, fmt)
    (known, samples), = opened(tmp_path).values()
    assert (known.path, known.fs_hz, known.unit) == ("r.hea", FS_HZ, "mV")
    assert known.channels == leads and known.channel == "ECG"
    assert rules(known) == ["recording.no_date"]
    assert known.start == NO_DATE and not known.annotated
    theirs = wfdb.rdrecord(str(tmp_path / "r")).p_signal[
        :, leads.index("ECG")]
    assert samples == pytest.approx(theirs[:len(samples)], abs=1e-5)
    assert len(theirs) - FS_HZ < len(samples) <= len(theirs)


@pytest.mark.parametrize("fmt", [
    "16", "24", "32", "61", "80", "160", "212", "310", "311"])
@pytest.mark.parametrize("leads", [1, 2, 3])
@pytest.mark.parametrize("length", [500, 501])
def test_counts_equal_those_of_the_package(tmp_path, fmt, leads, length):
    high = {"80": 127, "212": 2047, "310": 511, "311": 511, "24": 2 ** 23 - 1,
            "32": 2 ** 31 - 1}.get(fmt, 32767)
    given = np.random.default_rng(0).integers(
        -high, high + 1, (length, leads))
    # Formats that the package reads and does not write.
    own = {"61": ">i2", "160": "<u2"}.get(fmt)
    wfdb.wrsamp("r", 250, ["mV"] * leads, [f"V{n}" for n in range(leads)],
                d_signal=given, fmt=["16" if own or fmt in PACKED else fmt]
                * leads, adc_gain=[100.5] * leads, baseline=[-3] * leads,
                write_dir=str(tmp_path))
    if own:
        (tmp_path / "r.dat").write_bytes((
            given + (32768 if fmt == "160" else 0)).astype(own).tobytes())
        header(tmp_path, "r.dat 16 ", f"r.dat {fmt} ")
    if fmt in PACKED:
        pack(tmp_path, fmt)
    assert np.array_equal(given, wfdb.rdrecord(
        str(tmp_path / "r"), physical=False).d_signal)
    waveform = wfdb_record.read(Folder(tmp_path), "r.hea")
    assert np.array_equal(np.concatenate(list(waveform.blocks())), given)
    lead = waveform.leads[-1]
    assert (lead.gain, lead.baseline, lead.unit, lead.label) == (
        100.5, -3, "mV", f"V{leads - 1}")
    assert (waveform.length, waveform.rate_hz) == (length, 250)


@pytest.mark.parametrize("text", [
    b"", b"<html>\n", b"r 1 360 100\n", b"r/3 1 360 100\nr1 50\n",
    b"r 1 360 100\nr.dat 212x2 200\n", b"r 1 360 100\nr.dat 8 200\n",
    b"r 1 -250 500\nr.dat 16\n", b"r 1 250 -1\nr.dat 16\n",
    b"r 1 250\nr.dat 16 -200\n", b"r 1 250\nr.dat 16 200 (12)/mV 16\n",
    b"r 1 250\nr.dat 16 200 ECG\n",
    b"r 1 250\nr.dat \x146 200\n", b"r 1 250\nr.dat 16 1e999\n",
    b"r 3 250\na.dat 16\nb.dat 16\na.dat 16\n",
    b"r 2 250\na.dat 16\na.dat 61\n", b"r 2 250\na.dat 16\na.dat 16+4\n",
    b"#" * 2 ** 20 + b"\nr 1\nr.dat 16\n"])
def test_malformed_headers_are_errors(text):
    with pytest.raises(AuraError, match="r.hea"):
        wfdb_record.read_header(text, "r")


@pytest.mark.parametrize("gain", [
    "2186.2939453125", "1435.6789012345678", "200.", "1E3", ".5",
    "0.0000000001234", "44823.61004043888"])
def test_a_gain_is_read_with_all_its_digits(gain):
    found, = wfdb_record.read_header(
        f"r\t1\t250/360(0) 500\nr.dat 16\t{gain}(-1)/uV 16 0 -5 7 0 an ECG\n"
        .encode(), "r").signals
    assert (found.gain, found.baseline, found.unit) == (float(gain), -1, "uV")
    assert (found.checksum, found.label) == (7, "an ECG")


def test_physical_samples_are_those_of_the_package(tmp_path):
    rng = np.random.default_rng(1)
    given = np.column_stack([heart(70, FS_HZ).ravel() / 3000,
                             rng.normal(size=70 * FS_HZ)])
    wfdb.wrsamp("r", FS_HZ, ["mV", "mV"], ["ECG", "x"], p_signal=given,
                fmt=["16", "16"], write_dir=str(tmp_path))
    (known, samples), = opened(tmp_path).values()
    assert known.unit == "mV"
    assert samples == pytest.approx(wfdb.rdrecord(
        str(tmp_path / "r")).p_signal[:len(samples), 0], abs=1e-5)


def test_real_headers_are_read():
    """Headers of mitdb 100, and one without optional fields."""
    found = wfdb_record.read_header(
        b"100 2 360 650000\n100.dat 212 200 11 1024 995 -22131 0 MLII\n"
        b"100.dat 212 200 11 1024 1011 20052 0 V5\n# 69 M 1085\n", "100")
    assert [one.label for one in found.signals] == ["MLII", "V5"]
    assert found.signals[0].baseline == 1024
    assert found.signals[1].checksum == 20052
    bare = wfdb_record.read_header(b"r 1\nr.dat 16\n", "r")
    assert bare.rate_hz == 250 and bare.length is None
    assert bare.signals[0].gain == 200


def pack(folder, fmt):
    """Write counts of 10 bits as three in four bytes, as signal(5) has it."""
    text = (folder / "r.hea").read_text()
    counts = np.frombuffer((folder / "r.dat").read_bytes(), "<i2")
    three = np.resize(counts, (-(-len(counts) // 3), 3)).astype(int) & 0x3FF
    three.ravel()[len(counts):] = 0
    if fmt == "310":
        first = three[:, 0] << 1 | (three[:, 2] & 0x1F) << 11
        second = three[:, 1] << 1 | three[:, 2] >> 5 << 11
        words = np.column_stack([first, second]).astype("<u2")
    else:
        words = (three[:, 0] | three[:, 1] << 10 | three[:, 2] << 20).astype(
            "<u4")
    (folder / "r.dat").write_bytes(words.tobytes())
    (folder / "r.hea").write_text(text.replace(
        "r.dat 16", f"r.dat {fmt}").replace("mV 16", "mV 10"))


@pytest.mark.parametrize(("fs_hz", "exact"), [
    (128, True), (360, True), (62.5, True), (999.5, True), (333.3, True),
    (1000 / 3, False)])
def test_rates_are_those_of_the_record(tmp_path, fs_hz, exact):
    record(tmp_path, fs_hz=round(fs_hz))
    text = (tmp_path / "r.hea").read_text().split("\n", 1)
    first = text[0].split()
    first[2] = f"{fs_hz:.6f}" if not exact else f"{fs_hz:g}"
    (tmp_path / "r.hea").write_text(" ".join(first) + "\n" + text[1])
    (known, _), = opened(tmp_path).values()
    assert known.fs_hz == pytest.approx(fs_hz, rel=1e-15 if exact else 1e-6)


def test_several_files_a_date_and_an_offset_are_read(tmp_path):
    counts = record(tmp_path, "16", base_time=time(7, 8, 9),
                    base_date=date(2021, 3, 2))
    for place, name in enumerate(("a.dat", "b.dat")):
        (tmp_path / name).write_bytes(b"skip" * place + counts[
            :, place].astype("<i2").tobytes())
    text = (tmp_path / "r.hea").read_text().replace("r.dat 16", "a.dat 16", 1)
    (tmp_path / "r.hea").write_text(text.replace("r.dat 16", "b.dat 16+4", 1))
    (tmp_path / "r.dat").unlink()
    (known, samples), = opened(tmp_path).values()
    assert known.start == datetime(2021, 3, 2, 7, 8, 9)
    assert rules(known) == []
    assert samples == pytest.approx(
        (counts[:len(samples), 0] + 3) / 2.0 ** 12, abs=1e-5)


@pytest.mark.parametrize("length", ["", " 0", " 401"])
def test_files_of_several_widths_and_formats_stay_beside_each_other(
        tmp_path, monkeypatch, length):
    monkeypatch.setattr(wfdb_record, "BLOCK_ROWS", 18)
    counts = np.random.default_rng(2).integers(-500, 500, (401, 4))
    for name, fmt, part in (("a", "16", counts[:, :1]),
                            ("b", "212", counts[:, 1:])):
        width = part.shape[1]
        wfdb.wrsamp(name, 250, ["mV"] * width,
                    [f"{name}{n}" for n in range(width)], d_signal=part,
                    fmt=[fmt] * width, adc_gain=[100.0] * width,
                    baseline=[0] * width, write_dir=str(tmp_path))
    lines = [line for name in "ab" for line in (
        tmp_path / f"{name}.hea").read_text().splitlines()[1:]]
    (tmp_path / "r.hea").write_text(
        "\n".join([f"r 4 250{length}", *lines]) + "\n")
    waveform = wfdb_record.read(Folder(tmp_path), "r.hea")
    assert waveform.length == 401
    assert np.array_equal(np.concatenate(list(waveform.blocks())), counts)


@pytest.mark.parametrize(("change", "rule"), [
    (lambda folder: (folder / "r.dat").unlink(), "wfdb.file"),
    (lambda folder: spoil(folder / "r.dat"), "wfdb.sum"),
    (lambda folder: (folder / "r.dat").write_bytes(b""), "wfdb.length"),
    (lambda folder: header(folder, "r.dat", "../r.dat"), "wfdb.header"),
    (lambda folder: header(folder, "r.dat", "/etc/passwd"), "wfdb.header"),
    (lambda folder: header(folder, "r.dat 16", "r.dat 508"), "wfdb.format"),
    (lambda folder: header(folder, "r.dat 16", "r.dat 16x2"), "wfdb.format"),
    (lambda folder: header(folder, "r 2", "r/2 2"), "wfdb.header"),
    (lambda folder: header(folder, "r 2", "r 0"), "wfdb.format"),
    (lambda folder: header(folder, "r 2", "r 7"), "wfdb.header"),
    (lambda folder: header(folder, " 17500", " 999999999999999"),
     "waveform.length"),
    (lambda folder: header(folder, "4096.0", "0.000001"), "waveform.range"),
    (lambda folder: (folder / "r.hea").write_bytes(b"\xff" * 99),
     "wfdb.header"),
    (lambda folder: (folder / "r.dat").unlink() or (
        folder / "r.dat").symlink_to("/etc/passwd"), "path.outside")])
def test_a_damaged_or_hostile_record_is_refused(tmp_path, change, rule):
    record(tmp_path)
    change(tmp_path)
    (known, _), = opened(tmp_path).values()
    assert rules(known) == [rule]


def header(folder, old, new):
    text = (folder / "r.hea").read_text()
    assert old in text
    (folder / "r.hea").write_text(text.replace(old, new))


def spoil(path):
    content = bytearray(path.read_bytes())
    content[7] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize("varied", [False, True])
def test_segments_are_one_record_as_wfdb_reads_it(tmp_path, varied):
    names = ("resp", "ECG")
    for number, leads in enumerate((names, names[1:] if varied else names)):
        record(tmp_path, leads=leads)
        for ending in (".dat", ".hea"):
            text = (tmp_path / f"r{ending}").read_bytes().replace(
                b"r.dat", b"s%d.dat" % number).replace(
                    b"r %d" % len(leads), b"s%d %d" % (number, len(leads)))
            (tmp_path / f"s{number}{ending}").write_bytes(text)
            (tmp_path / f"r{ending}").unlink()
    rows = ["s0 17500", "s1 17500"]
    if varied:
        # The package reads a gap only here.
        rows = ["l 0", "s0 17500", "~ 5000", "s1 17500"]
        (tmp_path / "l.hea").write_text("l 2 250 0\n" + "".join(
            f"~ 0 4096/mV 16 0 0 0 0 {name}\n" for name in names))
    length = 40000 if varied else 35000
    (tmp_path / "r.hea").write_text("\n".join(
        [f"r/{len(rows)} 2 {FS_HZ} {length}", *rows, ""]))
    wfdb.wrann("r", "atr", np.array([2500, 25000]), ["+", "+"],
               aux_note=["(SZ", "(N"], write_dir=str(tmp_path))
    (known, samples), = opened(tmp_path).values()
    theirs = wfdb.rdrecord(str(tmp_path / "r")).p_signal[:, 1]
    there = np.isfinite(theirs)
    assert samples[there] == pytest.approx(theirs[there], abs=1e-5)
    assert np.all(samples[~there] < samples[there].min())
    assert np.any(~there) == varied
    assert (known.path, known.duration_s) == ("r.hea", length / FS_HZ)
    assert [(e.onset_s, e.end_s) for e in known.events] == [(10, 100)]


def test_a_record_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path):
    record(tmp_path)
    (tmp_path / "r.dat").write_bytes(
        (tmp_path / "r.dat").read_bytes()[:-4 * FS_HZ * 10])
    (known, samples), = opened(tmp_path).values()
    assert known.duration_s == 60 and len(samples) == 60 * FS_HZ
    assert "edf.truncated" in rules(known) or "edf.records" in rules(known)
    (known, _), = opened(tmp_path, strict=True).values()
    assert isinstance(known, Refused)


def holter(folder, counts, name="r.ecg", **more):
    (folder / name).write_bytes(ishne(counts, **more))


def test_a_holter_file_is_read(tmp_path):
    beats = heart(70, FS_HZ).ravel() // 8
    counts = np.column_stack([beats, np.roll(beats, 3)])
    holter(tmp_path, counts)
    holter(tmp_path, counts, name="other.ecg", checksum=0)
    (known, samples), _ = opened(tmp_path).values()
    assert known.channels == ("ECG II", "ECG III")
    assert (known.fs_hz, known.unit) == (FS_HZ, "mV")
    assert known.start == datetime(2021, 3, 2, 7, 8, 9)
    lead = known.channel_index
    assert samples == pytest.approx(
        counts[:len(samples), lead] / 1000, abs=1e-6)
    inside = Folder(tmp_path)
    candidate = find.recordings(inside)[0]
    report = assemble.report(inside, candidate)
    assert report["patient"]["name"] == "ID_0042"
    assert assemble.patient_of(inside, candidate).name == "ID_0042"


@pytest.mark.parametrize(("more", "rule"), [
    ({"checksum": 7}, "ishne.header"), ({"fs_hz": 0}, "ishne.header"),
    ({"resolution": 0}, "ishne.header")])
def test_a_damaged_holter_file_is_refused(tmp_path, more, rule):
    holter(tmp_path, np.ones((20000, 1)), **more)
    (known, _), = opened(tmp_path).values()
    assert rules(known) == [rule]


@pytest.mark.parametrize("size", [0, 8, 100, 521, 522, 523])
def test_a_holter_file_that_was_cut_off_ends_typed(tmp_path, size):
    holter(tmp_path, np.ones((20000, 1)))
    whole = (tmp_path / "r.ecg").read_bytes()
    (tmp_path / "r.ecg").write_bytes(whole[:size])
    for known, _ in opened(tmp_path).values():
        assert isinstance(known, Refused)


NAME = "sub-1_task-rest_physio"


def table_of(folder, columns, names, name=NAME, **more):
    (folder / f"{name}.tsv.gz").write_bytes(physio(columns))
    (folder / f"{name}.json").write_text(json.dumps({
        "SamplingFrequency": FS_HZ, "StartTime": 0, "Columns": names,
        **more}))


def test_a_physio_file_is_read(tmp_path):
    beats = heart(70, FS_HZ).ravel() / 3000.0
    lost = beats.copy()
    lost[5000:10000] = np.nan
    table_of(tmp_path, [np.cumsum(beats), lost], ["respiratory", "ecg"],
             ecg={"Units": "mV"})
    table_of(tmp_path, [beats], ["respiratory"], "sub-2_task-rest_physio")
    found = opened(tmp_path)
    (known, samples), (left, _) = found.values()
    assert (known.channel, known.fs_hz, known.unit) == ("ecg", FS_HZ, "mV")
    good = np.isfinite(lost)
    assert samples[good] == pytest.approx(beats[good], abs=1e-5)
    assert np.ptp(samples[~good]) == 0
    assert rules(left) == ["path.not_read"]


@pytest.mark.parametrize(("change", "rule"), [
    (lambda folder: (folder / f"{NAME}.json").write_text(
        '{"Columns": ["ecg"]}'), "physio.sidecar"),
    (lambda folder: (folder / f"{NAME}.json").write_text(
        '{"SamplingFrequency": -1, "Columns": ["ecg"]}'), "physio.sidecar"),
    (lambda folder: (folder / f"{NAME}.json").write_text(
        '{"SamplingFrequency": 250, "Columns": ["ecg", "x"]}'),
     "physio.columns"),
    (lambda folder: table(folder, "1\n2\nx\n"), "physio.number"),
    (lambda folder: table(folder, "1\n2\t3\n"), "physio.number"),
    (lambda folder: table(folder, ""), "physio.columns"),
    (lambda folder: (folder / f"{NAME}.tsv.gz").write_bytes(
        (folder / f"{NAME}.tsv.gz").read_bytes()[:-30]), "physio.gzip")])
def test_a_damaged_physio_file_is_refused(tmp_path, change, rule):
    table_of(tmp_path, [np.arange(30000.0)], ["ecg"])
    change(tmp_path)
    (known, _), = opened(tmp_path).values()
    assert rules(known) == [rule]


def table(folder, text):
    with gzip.open(folder / f"{NAME}.tsv.gz", "wt") as stream:
        stream.write(text)


def test_a_bomb_is_refused_and_uses_little_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("aura.dataset.physio.TEXT_MAX", 2**20)
    table_of(tmp_path, [np.zeros(2**20)], ["ecg"])
    (known, _), = opened(tmp_path).values()
    assert rules(known) == ["physio.size"]


@pytest.mark.parametrize(("notes", "seizures", "understood"), [
    (["(N", "(SZ", "(N"], 1, True), (["(N", "(VFL", "(N"], 0, False),
    (["(N", "seizure?", "(N"], 0, False), (["(N", "(N", "(SZ"], 1, True)])
def test_texts_of_a_file_of_beats_may_name_seizures(
        tmp_path, notes, seizures, understood):
    record(tmp_path)
    wfdb.wrann("r", "atr", np.array([100, 300, 5000, 9000, 9100, 9200, 9300]),
               symbol=["N", "+", "+", "+", "[", "]", "V"],
               aux_note=["", *notes, "", "", ""], write_dir=str(tmp_path),
               fs=FS_HZ)
    (known, _), = opened(tmp_path).values()
    assert len(known.events) == seizures
    assert known.understood == understood
    if seizures and notes[1] == "(SZ":
        assert (known.events[0].onset_s, known.events[0].end_s) == (20, 36)


def brainvision(folder, beats):
    """A recording of BrainVision: header, markers and samples."""
    (folder / "r.vhdr").write_text("""\
Brain Vision Data Exchange Header File Version 1.0
[Common Infos]
DataFile=r.eeg
MarkerFile=r.vmrk
DataFormat=BINARY
DataOrientation=MULTIPLEXED
NumberOfChannels=2
SamplingInterval=4000
[Binary Infos]
BinaryFormat=INT_16
[Channel Infos]
Ch1=Fp1,,0.5,uV
Ch2=ECG chest,,0.5,uV
""")
    (folder / "r.vmrk").write_text("""\
Brain Vision Data Exchange Marker File, Version 1.0
[Common Infos]
DataFile=r.eeg
[Marker Infos]
Mk1=Comment,Seizure,5001,1250,0
""")
    (folder / "r.eeg").write_bytes(np.column_stack(
        [beats[::-1], beats]).astype("<i2").tobytes())


def fif(folder, beats):
    raw = mne.io.RawArray(
        np.stack([beats[::-1], beats]) * 0.5e-6,
        mne.create_info(["Fp1", "chest"], FS_HZ, ["eeg", "ecg"]),
        verbose=False)
    raw.set_meas_date(datetime(2021, 3, 2, 7, 8, 9, tzinfo=UTC))
    raw.set_annotations(mne.Annotations([20.0], [5.0], ["Seizure"]))
    raw.save(folder / "r_raw.fif", verbose=False)


@pytest.mark.parametrize("write", [brainvision, fif])
@pytest.mark.filterwarnings("ignore")
def test_recordings_of_mne_are_read_with_their_annotations(tmp_path, write):
    beats = heart(70, FS_HZ).ravel()
    write(tmp_path, beats)
    (known, samples), = opened(tmp_path).values()
    assert known.channels == ("ECG chest",) and known.fs_hz == FS_HZ
    assert (known.start == NO_DATE) == (write is brainvision)
    assert samples == pytest.approx(
        beats[:len(samples)] * 0.5e-3, abs=1e-4)
    assert [(one.onset_s, one.duration_s) for one in known.events] == [
        (20, 5)]
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:99])
    (known, _), = opened(tmp_path).values()
    assert rules(known) == ["mne.read"]


def test_without_mne_its_recordings_are_counted(tmp_path, monkeypatch):
    mne_raw.endings.cache_clear()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (tmp_path / "r.vhdr").write_bytes(b"x")
    (known, _), = opened(tmp_path).values()
    mne_raw.endings.cache_clear()
    assert rules(known) == ["path.not_read"]
    assert "aura-blocks[mne]" in known.problems[0].text
