"""An open set is complete and verified, or there is an error."""

import csv
import errno
import gzip
import hashlib
import http.server
import os
import re
import shutil
import threading
import urllib.request
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from aura import cli, folder as aura_folder
from aura.edf.header import read_header
from aura.edf.signal import EcgSignal
from aura.errors import (
    CorruptDataError,
    InvalidInputError,
    MissingError,
    PreconditionError,
    ResourceError,
    UnavailableError,
)
from aura.folder import Folder
from aura.physionet import download, write_tree
from aura.physionet.download import Source
from aura.physionet.sets import SETS
from aura.synthetic.waveform import ecg
from tests.full_disk import disk_of

with warnings.catch_warnings():
    # It uses what the newest pandas is about to drop.
    warnings.simplefilter("ignore")
    import wfdb

pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")
SEIZURES = """\
sz01 00:00:20 00:00:41
sz02\t00:00:05\t00:00:15
sz02\t00:01:00\t00:01:10
"""


class Server(http.server.ThreadingHTTPServer):
    """A folder over HTTP with ranges and with faults."""

    daemon_threads = True

    def __init__(self, root):
        super().__init__(("127.0.0.1", 0), Handler)
        self.root, self.asked, self.faults = Path(root), [], {}

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server, name = self.server, self.path.lstrip("/")
        server.asked.append((name, self.headers.get("Range")))
        faults = server.faults.get(name.rpartition("/")[2], [])
        fault = faults.pop(0) if faults else None
        path = server.root / name
        if isinstance(fault, int) or not path.is_file():
            return self.answer(fault or 404, b"no", {})
        content = path.read_bytes()
        if fault == "page":
            return self.answer(200, b"<html>log in</html>",
                               {"Content-Type": "text/html"})
        if isinstance(fault, dict):
            return self.answer(
                302 if "Location" in fault else 200, content, fault)
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if match and fault != "no ranges":
            start = int(match[1])
            if start >= len(content):
                return self.answer(416, b"", {})
            return self.answer(206, content[start:], {
                "Content-Range":
                f"bytes {start}-{len(content) - 1}/{len(content)}"})
        if fault == "cut":
            self.answer(200, content[:len(content) // 2], {},
                        len(content))
            self.close_connection = True
            return None
        return self.answer(200, content, {})

    def answer(self, code, content, headers, length=None):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(length or len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


@contextmanager
def serving(root):
    server = Server(root)
    thread = threading.Thread(target=server.serve_forever, args=(.02,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def sums(folder):
    names = sorted(path.name for path in folder.iterdir())
    (folder / "SHA256SUMS.txt").write_text("".join(
        f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()} {name}\n"
        for name in names))


def write_record(folder, name, duration_s, fs, leads, **form):
    """Write a record and its beats with the WFDB library."""
    heart = ecg(duration_s, seed=sum(name.encode()))
    at = np.arange(int(duration_s * fs)) / fs
    samples = np.interp(at, np.arange(len(heart.samples)) / heart.fs_hz,
                        heart.samples)
    wfdb.wrsamp(name, fs=fs, units=["mV"] * len(leads), sig_name=leads,
                p_signal=np.column_stack(
                    [samples * (1 - .5 * k) for k in range(len(leads))]),
                write_dir=str(folder), **form)
    beats = np.unique(np.round(heart.beat_time_s * fs)).astype(int)
    return beats


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The sets with short records, and the beats of each record."""
    root = tmp_path_factory.mktemp("site")
    beats = {}
    for name, fs, leads, form, annotator, records in (
            ("szdb", 200, ["ECG"], {"fmt": ["16"], "adc_gain": [25.],
                                    "baseline": [0]}, "ari",
             {"sz01": 90.5, "sz02": 80, "sz06": 60}),
            ("mitdb", 360, ["V5", "MLII"], {
                "fmt": ["212"] * 2, "adc_gain": [200.] * 2,
                "baseline": [1024] * 2}, "atr", {"100": 31.3, "202": 30}),
            ("nsr2db", 128, None, {}, "ecg", {"nsr001": 120}),
            ("chf2db", 128, None, {}, "ecg", {"chf201": 90, "chf202": 60})):
        folder = root / name / "1.0.0"
        folder.mkdir(parents=True)
        for record, duration_s in records.items():
            if leads:
                found = write_record(folder, record, duration_s, fs, leads,
                                     **form)
            else:
                found = np.round(ecg(duration_s, seed=1).beat_time_s
                                 * fs).astype(int)
                (folder / f"{record}.hea").write_text(f"{record} 0 {fs}\n")
            wfdb.wrann(record, annotator, np.insert(found, 3, found[3] - 5),
                       ["N"] * 3 + ["+"] + ["V"] + ["N"] * (len(found) - 4),
                       write_dir=str(folder))
            beats[record] = found
        (folder / "RECORDS").write_text("\n".join(records) + "\n")
        if name == "szdb":
            (folder / "times.seize").write_text(SEIZURES)
        sums(folder)
    return root, beats


@pytest.fixture
def server(site):
    with serving(site[0]) as running:
        yield running


def fetch(server, out, *more):
    return cli.main(["fetch", *more, "--out", str(out), "--base-url",
                     server.url])


def tree(out):
    return sorted(path.relative_to(out).as_posix()
                  for path in out.rglob("*") if path.is_file())


def counts(path):
    with path.open("rb") as stream:
        header = read_header(stream)
        signal = EcgSignal(stream, header, 0)
        return header, signal.read_digital(0, signal.sample_count)


def test_szdb_becomes_edf_with_seizures_by_patient(
        server, site, tmp_path, capsys):
    assert fetch(server, tmp_path, "szdb") == 0
    assert tree(tmp_path) == [
        "README.md", "szA/sz01.edf", "szA/sz01.tse_bi", "szB/sz02.edf",
        "szB/sz02.tse_bi", "szD/sz06.edf"]
    for patient, record in (("szA", "sz01"), ("szB", "sz02")):
        header, found = counts(tmp_path / patient / f"{record}.edf")
        oracle = wfdb.rdrecord(str(site[0] / "szdb/1.0.0" / record),
                               physical=False).d_signal[:, 0]
        assert len(oracle) - len(found) == len(oracle) % 200
        assert np.array_equal(found, oracle[:len(found)])
        assert header.patient.startswith(patient)
        assert header.signals[0].label == "ECG"
    with (tmp_path / "szA/sz01.edf").open("rb") as stream:
        signal = EcgSignal(stream, read_header(stream), 0)
        assert signal.unit == "mV"
        assert signal.read(0, 50) == pytest.approx(
            counts(tmp_path / "szA/sz01.edf")[1][:50] / 25, abs=1e-9)
    assert (tmp_path / "szB/sz02.tse_bi").read_text().splitlines()[2:] == [
        "0.0000 5.0000 bckg 1.0000", "5.0000 15.0000 seiz 1.0000",
        "15.0000 60.0000 bckg 1.0000", "60.0000 70.0000 seiz 1.0000",
        "70.0000 80.0000 bckg 1.0000"]
    printed, readme = capsys.readouterr().out, (
        tmp_path / "README.md").read_text()
    for text in ("Attribution License v1.0", "Al-Aweel", "Goldberger"):
        assert text in printed and text in readme
    assert "sz03 in szB" in readme


def test_mitdb_keeps_the_preferred_lead_and_the_patients(
        server, site, tmp_path):
    assert fetch(server, tmp_path, "mitdb") == 0
    for record, patient in (("100", "mit100"), ("202", "mit201")):
        header, found = counts(tmp_path / f"{record}.edf")
        oracle = wfdb.rdrecord(str(site[0] / "mitdb/1.0.0" / record),
                               physical=False).d_signal[:, 1]
        assert np.array_equal(found, oracle[:len(found)])
        assert header.signals[0].label == "ECG MLII"
        assert header.patient.split()[0] == patient


@pytest.mark.parametrize("name, record, path", [
    ("szdb", "sz01", "szA/sz01.beats.csv"),
    ("mitdb", "100", "100.beats.csv")])
def test_beats_alone_are_those_annotated(
        server, site, tmp_path, name, record, path):
    assert fetch(server, tmp_path, name, "--beats", "--records", record) == 0
    with (tmp_path / path).open() as lines:
        found = [float(row["beat_time_s"]) for row in csv.DictReader(lines)]
    fs = {"szdb": 200, "mitdb": 360}[name]
    assert found == pytest.approx(site[1][record] / fs, abs=1e-6)
    assert (tmp_path / "szA/sz01.tse_bi").is_file() == (name == "szdb")


@pytest.mark.parametrize("name, records", [
    ("nsr2db", ["nsr001"]), ("chf2db", ["chf201", "chf202"])])
def test_sets_of_beats_become_rr_intervals_that_do_not_drift(
        server, site, tmp_path, capsys, name, records):
    assert fetch(server, tmp_path, name) == 0
    assert tree(tmp_path) == ["README.md", *(
        f"{record}/{record}.rr.csv.gz" for record in records)]
    for record in records:
        packed = tmp_path / record / f"{record}.rr.csv.gz"
        rows = gzip.decompress(packed.read_bytes()).decode().split()
        assert rows[0] == "rr_ms"
        beats_s = site[1][record] / 128
        assert np.cumsum([float(row) for row in rows[1:]]) / 1e3 == (
            pytest.approx(beats_s[1:] - beats_s[0], abs=2e-5))
    assert f"content/{name}/1.0.0" in capsys.readouterr().out


def test_a_set_of_beats_with_a_wrong_checksum_leaves_nothing_of_the_record(
        site, tmp_path, capsys):
    folder = tmp_path / "site/chf2db/1.0.0"
    shutil.copytree(site[0] / "chf2db/1.0.0", folder)
    spoilt = bytearray((folder / "chf202.ecg").read_bytes())
    spoilt[20] ^= 1
    (folder / "chf202.ecg").write_bytes(spoilt)
    with serving(tmp_path / "site") as other:
        assert fetch(other, tmp_path / "out", "chf2db") == 1
    assert "fetch.checksum" in capsys.readouterr().err
    kept = tree(tmp_path / "out")
    assert "chf201/chf201.rr.csv.gz" in kept
    assert not any("chf202.ecg" in name or "chf202/" in name for name in kept)


def test_a_finished_recording_is_not_fetched_again(server, tmp_path):
    assert fetch(server, tmp_path, "szdb") == 0
    before = {name: (tmp_path / name).read_bytes()
              for name in tree(tmp_path)}
    (tmp_path / "szB/sz02.edf").unlink()
    server.asked.clear()
    assert fetch(server, tmp_path, "szdb") == 0
    assert {name.rpartition("/")[2] for name, _ in server.asked} == {
        "SHA256SUMS.txt", "RECORDS", "sz02.hea", "sz02.dat", "times.seize"}
    assert before == {name: (tmp_path / name).read_bytes()
                      for name in tree(tmp_path)}


def source(server, folder, name="szdb"):
    return Source(f"{server.url}{name}/1.0.0/", Folder(folder), wait_s=0)


@pytest.mark.parametrize("faults, ranges", [
    (["cut"], 1), (["cut", 503], 1), (["cut", "no ranges"], 1), ([500], 0)])
def test_a_cut_download_is_resumed(
        server, site, tmp_path, faults, ranges):
    whole = (site[0] / "szdb/1.0.0/sz01.dat").read_bytes()
    tries = len(faults) + ("no ranges" not in faults)
    server.faults["sz01.dat"] = list(faults)
    assert source(server, tmp_path).fetch("sz01.dat") == whole
    asked = [given for name, given in server.asked if "dat" in name]
    assert len(asked) == tries
    assert sum(given == f"bytes={len(whole) // 2}-"
               for given in asked) >= ranges
    assert tree(tmp_path) == ["sz01.dat"]


@pytest.mark.parametrize("part", [b"of another file", b"x" * 2**20])
def test_a_part_of_another_file_is_downloaded_again(
        server, site, tmp_path, part):
    (tmp_path / "sz01.dat.part").write_bytes(part)
    assert source(server, tmp_path).fetch("sz01.dat") == (
        site[0] / "szdb/1.0.0/sz01.dat").read_bytes()


@pytest.mark.parametrize("faults, error, text", [
    ([404], MissingError, "404"), ([403], UnavailableError, "403"),
    ([503] * 9, UnavailableError, "503"),
    (["page"] * 9, CorruptDataError, "web page")])
def test_an_error_of_the_server_is_reported_with_the_address(
        server, tmp_path, faults, error, text):
    server.faults["sz01.dat"] = faults
    with pytest.raises(error, match=text) as caught:
        source(server, tmp_path).fetch("sz01.dat")
    assert f"{server.url}szdb/1.0.0/sz01.dat" in caught.value.text
    assert tree(tmp_path) == []


def test_a_wrong_checksum_leaves_nothing(server, site, tmp_path):
    with serving(tmp_path / "site") as other:
        folder = tmp_path / "site/szdb/1.0.0"
        folder.mkdir(parents=True)
        for path in (site[0] / "szdb/1.0.0").iterdir():
            content = bytearray(path.read_bytes())
            if path.name == "sz02.dat":
                content[1000] ^= 1
            (folder / path.name).write_bytes(content)
        out = tmp_path / "out"
        assert fetch(other, out, "szdb") == 1
        kept = tree(out)
        assert "szA/sz01.edf" in kept and "szB/sz02.edf" not in kept
        assert not any("sz02.dat" in name for name in kept)
        assert "README.md" not in kept


@pytest.mark.parametrize("answer", [
    b"<html>please log in</html>", b"", b"abc RECORDS\n"])
def test_a_set_needs_a_list_of_checksums(tmp_path, answer):
    folder = tmp_path / "szdb/1.0.0"
    folder.mkdir(parents=True)
    (folder / "SHA256SUMS.txt").write_bytes(answer)
    with serving(tmp_path) as server, pytest.raises(
            CorruptDataError, match="fetch.sums"):
        source(server, tmp_path / "out").sums()


def test_a_cut_list_of_checksums_is_asked_for_again(tmp_path):
    # Cut between two lines it would read like a list of one.
    folder = tmp_path / "site/szdb/1.0.0"
    folder.mkdir(parents=True)
    (folder / "SHA256SUMS.txt").write_text(
        "".join(f"{'0' * 64} {name}\n" for name in "ab"))
    with serving(tmp_path / "site") as other:
        other.faults["SHA256SUMS.txt"] = ["cut"]
        assert [*source(other, tmp_path / "out").sums()] == ["a", "b"]


def test_a_length_that_is_not_a_number_is_ignored(server, site, tmp_path):
    server.faults["sz01.dat"] = [{"Content-Length": "many"}]
    assert source(server, tmp_path).fetch("sz01.dat") == (
        site[0] / "szdb/1.0.0/sz01.dat").read_bytes()


@pytest.mark.parametrize("address", [
    "http://[::1", "ftp://127.0.0.1:1/sz01.dat", "file:///etc/hostname"])
def test_redirections_are_followed_to_web_servers_only(
        server, tmp_path, address):
    server.faults["sz01.dat"] = [{"Location": address}]
    with pytest.raises(UnavailableError, match="fetch.http"):
        source(server, tmp_path).fetch("sz01.dat")
    assert [name for name, _ in server.asked if "dat" in name] == [
        "szdb/1.0.0/sz01.dat"]


def test_redirections_from_https_to_http_are_not_followed():
    asked = urllib.request.Request("https://example.org/a")
    led = [download._Redirects().redirect_request(
        asked, None, 302, "Found", {}, address) for address in (
            "http://example.org/a", "https://example.com/a")]
    assert led[0] is None and led[1].full_url == "https://example.com/a"


@pytest.mark.parametrize("listed", [
    "", "sz01/x", "../sz01", "sz01\n.fetch", "%2e%2e", "s\u00fc1"])
def test_unsafe_names_of_records_are_an_error(
        site, tmp_path, capsys, listed):
    folder = tmp_path / "site/szdb/1.0.0"
    shutil.copytree(site[0] / "szdb/1.0.0", folder)
    (folder / "SHA256SUMS.txt").unlink()
    (folder / "RECORDS").write_text(listed + "\n", "utf-8")
    sums(folder)
    with serving(tmp_path / "site") as other:
        assert fetch(other, tmp_path / "out", "szdb") == 1
    assert "fetch.records" in capsys.readouterr().err
    assert tree(tmp_path / "out") == [".fetch/RECORDS"]


def test_a_record_below_a_second_is_an_error(
        site, tmp_path, capsys):
    folder = tmp_path / "site/szdb/1.0.0"
    shutil.copytree(site[0] / "szdb/1.0.0", folder)
    (folder / "SHA256SUMS.txt").unlink()
    (folder / "sz01.hea").write_text("sz01 1 200\nsz01.dat 16 25 16 0\n")
    (folder / "sz01.dat").write_bytes(bytes(10))
    sums(folder)
    with serving(tmp_path / "site") as other:
        assert fetch(other, tmp_path / "out", "szdb") == 1
    assert "wfdb.length: sz01" in capsys.readouterr().err
    assert not any("sz01.tse_bi" in name for name in tree(tmp_path / "out"))


def test_a_record_given_twice_is_fetched_once(server, tmp_path, capsys):
    assert fetch(server, tmp_path, "szdb", "--records", "sz01", "sz01") == 0
    assert "1 recording of szdb" in capsys.readouterr().out


def test_a_server_that_does_not_answer_is_an_error(tmp_path, monkeypatch):
    with serving(tmp_path) as server:
        url = server.url
    monkeypatch.setattr(download, "TRIES", 2)
    with pytest.raises(UnavailableError, match="--base-url"):
        Source(f"{url}szdb/1.0.0/", Folder(tmp_path), wait_s=0).sums()


@pytest.mark.parametrize("url", ["file:///etc/", "ftp://host/", "host/x"])
def test_only_addresses_of_web_servers_are_allowed(tmp_path, url):
    with pytest.raises(InvalidInputError, match="https://host"):
        write_tree.tree(SETS["szdb"], tmp_path, base_url=url)


def test_a_download_is_resumed_after_a_full_disk(
        server, site, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "BLOCK_BYTES", 1024)
    with disk_of(9000), pytest.raises(ResourceError, match="disk.full"):
        source(server, tmp_path).fetch("sz01.dat")
    kept = (tmp_path / "sz01.dat.part").stat().st_size
    assert 0 < kept <= 9000
    server.asked.clear()
    assert source(server, tmp_path).fetch("sz01.dat") == (
        site[0] / "szdb/1.0.0/sz01.dat").read_bytes()
    assert (f"bytes={kept}-") in [given for _, given in server.asked]


@pytest.mark.parametrize("spoil", [
    lambda stream: stream.truncate(stream.tell() - 100),
    lambda stream: (stream.seek(-2, os.SEEK_END), stream.write(b"?!"))])
def test_a_spoilt_edf_never_takes_its_name(
        server, tmp_path, monkeypatch, spoil):
    written = write_tree._write_edf

    def cut(stream, *rest):
        written(stream, *rest)
        spoil(stream)

    monkeypatch.setattr(write_tree, "_write_edf", cut)
    assert fetch(server, tmp_path, "mitdb") == 1
    assert not list(tmp_path.rglob("*.edf"))


def test_the_folder_of_another_set_is_not_overwritten(server, tmp_path):
    assert fetch(server, tmp_path, "szdb", "--records", "sz01") == 0
    with pytest.raises(PreconditionError, match="fetch.taken"):
        write_tree.tree(SETS["mitdb"], tmp_path)
    assert fetch(server, tmp_path, "szdb", "--beats") == 1


def test_an_unknown_record_is_reported_with_all_known_ones(
        server, tmp_path, capsys):
    assert fetch(server, tmp_path, "szdb", "--records", "sz99") == 1
    assert "sz01, sz02, sz06" in capsys.readouterr().err


def test_real_recordings_are_fetched_without_a_change(data_dir, tmp_path):
    """Recordings written as a WFDB site and fetched have the same samples."""
    for name, fmt, records in (("szdb", "212", ["szA/sz01", "szC/sz05"]),
                               ("mitdb", "212", ["100", "114"])):
        folder = tmp_path / "site" / name / "1.0.0"
        folder.mkdir(parents=True)
        for path in records:
            given = data_dir / name / f"{path}.edf"
            if not given.is_file():
                pytest.skip(f"no recording {given}")
            header, samples = counts(given)
            one = header.signals[0]
            gain = float((one.digital[1] - one.digital[0])
                         / (one.physical[1] - one.physical[0]))
            zero = (one.digital[0] + one.digital[1] + 1) // 2
            record = given.stem
            wfdb.wrsamp(
                record, int(header.rate_hz(one)), ["mV"],
                [one.label.removeprefix("ECG ")], write_dir=str(folder),
                d_signal=samples[:, None].astype(np.int64), fmt=[fmt],
                adc_gain=[gain],
                baseline=[round(float(one.digital[0]
                                      - one.physical[0] * gain))])
            lines = (folder / f"{record}.hea").read_text()
            # The library always writes 12 bits and 0; the sets have more.
            lines = re.sub(r" 12 0 ", f" {11 if zero else 12} {zero} ",
                           lines)
            (folder / f"{record}.hea").write_text(lines)
        (folder / "RECORDS").write_text(
            "".join(f"{Path(path).stem}\n" for path in records))
        (folder / "times.seize").write_text(
            "sz01 0:14:36 0:16:12\nsz05 0:24:07 0:25:30\n")
        sums(folder)
    with serving(tmp_path / "site") as server:
        for name in ("szdb", "mitdb"):
            out = tmp_path / name
            assert fetch(server, out, name) == 0
            for path in out.rglob("*.edf"):
                ours, found = counts(path)
                theirs, wanted = counts(
                    data_dir / name / path.relative_to(out))
                assert np.array_equal(found, wanted)
                assert ours.patient.split()[0] == theirs.patient.split()[0]
                for field in ("label", "unit", "physical", "digital"):
                    assert getattr(ours.signals[0], field) == getattr(
                        theirs.signals[0], field), field
            for path in out.rglob("*.tse_bi"):
                assert path.read_text() == (
                    data_dir / name / path.relative_to(out)).read_text()


def test_help_has_the_sets_and_an_example(capsys):
    with pytest.raises(SystemExit):
        cli.main(["fetch", "--help"])
    text = capsys.readouterr().out
    assert all(name in text for name in SETS) and "example:" in text


def test_a_full_disk_and_a_folder_that_is_read_only_are_two_errors():
    assert [aura_folder.write_error(OSError(number, "x")).rule
            for number in (errno.ENOSPC, errno.EROFS)] == [
        "disk.full", "disk.unwritable"]
