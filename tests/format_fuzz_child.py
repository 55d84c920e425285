"""
Feed generated and mutated annotations and beats to the readers.

``python -m tests.format_fuzz_child SEED COUNT FOLDER``, in a process that may
crash, as `tests.fuzz_child`. Half of the inputs are mutations of valid files.
The others are made from parts of their format, with numbers and words that
are known to break readers.
"""

import gzip
import json
import random
import resource
import signal
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from aura.annotations import wfdb as wfdb_file
from aura.annotations.annotation import disjoint_seizures
from aura.annotations.formats import FORMATS, adapt
from aura.dataset import annotation_files, assemble, beat_files, find
from aura.errors import AuraError
from aura.folder import Folder
from aura.recording import Recording
from tests.edf_builder import plus, tal
from tests.fit_builder import fit, hrv, record
from tests.fuzz_child import INPUT_S, MEMORY_BYTES
from tests.waveform_builder import ishne, physio

NUMBERS = ["0", "-1", "1", "0.5", "800", "-800", "570000", "3000", "1e3",
           "nan", "inf", "-inf", "", "1,0", "1_0", "0x1", "999999999999",
           "1000000000000", "0.00000001", "+5", "-0", ".5", "5.", "n/a",
           "\u0665", "2147483648", "4294967297", "9" * 400]
WORDS = ["seiz", "bckg", "sz_foc_ia", "FNSZ", "impd", "\u53d1\u4f5c", "a b",
         "", "\x1b[31m", "=", "#", ",", "\t", "sz\u0301", "n/a", "\U0001f9e0",
         "seizure", "sz start",
         "Anfallsende", "seizure?", "x" * 3000, "\u202e"]
DATES = ["2021-03-02T10:20:30", "2021-02-30T10:20:30", "0001-01-01T00:00:00",
         "9999-12-31 23:59:59.999999", "2021-03-02", "02/03/2021"]
RECORDINGS = ("r.edf", "r.beats.csv", "rr_r.csv.gz", "r.rr", "r.txt", "r.fit",
              "r.hea", "r.ecg", "r_physio.tsv.gz", "r_physio.json", "r.tsv",
              "r.hrv", "m.hea")
TSE = b"version = tse_v1.0.0\n\n0 30 bckg 1\n30 45 seiz 0.5\n"


def tse(rng: random.Random) -> bytes:
    """A ``.tse`` file from its pieces."""
    times = NUMBERS + DATES
    rows = [" ".join((rng.choice(times), rng.choice(times),
                      rng.choice(WORDS), rng.choice(NUMBERS)))
            for _ in range(rng.randrange(6))]
    return "\n".join([rng.choice((
        "version = tse_v1.0.0", "version=tse_v", "annotator=x", "")),
        *rows]).encode("utf-8", "surrogateescape")


def table(columns: list[str], comma: str) -> Callable[[random.Random], bytes]:
    """A table from its columns."""
    def make(rng: random.Random) -> bytes:
        names = rng.sample(columns, len(columns))
        if rng.random() < 0.3:
            names[rng.randrange(len(names))] = rng.choice(columns + WORDS)
        width = len(names) + (rng.random() < 0.1)
        rows = [comma.join(rng.choice(NUMBERS + WORDS + DATES)
                           if rng.random() < 0.3 else rng.choice(NUMBERS[:8])
                           for _ in range(width))
                for _ in range(rng.randrange(9))]
        head = ["# version = csv_v1.0.0", f"# duration = "
                f"{rng.choice(NUMBERS)} secs"] if comma == "," else []
        return "\n".join([
            *(head if rng.random() < 0.5 else ()), comma.join(names),
            *rows]).encode("utf-8", "replace")
    return make


def beats(rng: random.Random) -> bytes:
    """A file of beats from numbers at which readers break."""
    name = rng.choice(["beat_time_s", "rr_ms", "rr_s", "frame,rr_interval",
                       "timestamp,frame,rr_interval", "rr_ms,rr_ms", ""])
    cells = NUMBERS if rng.random() < 0.5 else ["800", "750", "3001", "0.8"]
    rows = [",".join(rng.choice(cells) for _ in name.split(","))
            for _ in range(rng.randrange(40))]
    content = "\n".join([name, *rows]).encode()
    return gzip.compress(content, mtime=0) if rng.random() < 0.3 else content


def clocked(rng: random.Random) -> bytes:
    """Intervals with clocks that stop, jump, run back or are none."""
    names = rng.choice([
        "Phone timestamp;RR-interval [ms]", "date;time;rr", "elapsed;ibi",
        "timestamp;rr_ms", "t;unix;RR (ms)", "duration;offline", "time;rr_s",
        "1742029215.0;IBI", "time;timestamp;rr_ms", ""])
    heads = {"": ["", "# rr", "RR INTERVAL DATA\nTime;RR interval\n(s);(s)"]}
    rows, at = [heads[""][rng.randrange(3)] if not names else names], 0.0
    start = datetime(2023, 1, 1, 23, 50)
    turn = rng.choice([1, 1, 1, -1])
    form = rng.choice([datetime.isoformat, *(
        lambda when, form=form: when.strftime(form) for form in (
            "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p",
            "%Y/%m/%d %H:%M:%S.%f", "%d.%m.%Y, %H:%M:%S", "%H:%M:%S,%f",
            "%M:%S.%f"))])
    for _ in range(rng.choice([3, 30, 120])):
        rr = rng.choice([0.8, 0.75, 0.4, 1.1])
        at += (rr + (rng.random() < 0.03) * rng.choice([90, -90, 9e4])) * turn
        when = start + timedelta(seconds=at)
        wide = rng.random() < 0.1
        date = rng.choice(DATES + NUMBERS) if wide else form(when)
        cells = {"date": date[:10], "time": date[11:] or f"{at:.2f}",
                 "timestamp": date, "Phone timestamp": date,
                 "elapsed": f"{at:.1f}", "unix": f"{1.7e12 + at * 1e3:.0f}",
                 "t": "", "offline": rng.choice("01"), "rr_s": rr}
        row = [cells.get(name, f"{rr * 1000:.0f}")
               for name in (names or "elapsed;rr").split(";")]
        if rng.random() < 0.1:
            row[rng.randrange(len(row))] = rng.choice(["", *NUMBERS])
        rows.append(";".join(map(str, row)))
    return "\n".join(rows).encode()


def watch(rng: random.Random) -> bytes:
    """FIT files with messages in any order, and times as they come."""
    parts, at = [], rng.choice([0, 1000, 2**28, 10**9, 2**32 - 99])
    for _ in range(rng.randrange(60)):
        at = min(at + rng.choice([0, 1, 1, 9, 5000]), 2**32 - 1)
        parts += [record(at)] if rng.random() < 0.5 else []
        parts.append(hrv(rng.choices(
            [800, 750, 1, 0, 3001, 65534, 65535], k=rng.randrange(6))))
    content = fit(parts)
    return content if rng.random() < 0.7 else mutate(content, rng)


def wfdb(rng: random.Random) -> bytes:
    """Words of WFDB's format: codes, intervals, texts that do not fit."""
    raw = b""
    for _ in range(rng.randrange(12)):
        code = rng.choice([0, 1, 22, 28, 32, 33, 59, 60, 61, 62, 63])
        count = rng.choice([0, 1, 2, 5, 1023])
        raw += (code << 10 | count).to_bytes(2, "little")
        if code == 59:
            raw += rng.randbytes(rng.choice([4, 4, 4, 2]))
        if code == 63:
            raw += rng.choice([b"(SZ\0\0\0", b"## time resolution: 0",
                               b"## time resolution: 128"])[:count + 1]
    return raw + (bytes(2) if rng.random() < 0.8 else b"")


def times(rng: random.Random) -> bytes:
    """Lines of ``times.seize``."""
    clocks = ["00:14:36", "0:0:0", "99999:59:59", "1:60:00", "14:36", ""]
    return "\n".join(" ".join((rng.choice(["r", "q", ""]), rng.choice(clocks),
                               rng.choice(clocks)))
                     for _ in range(rng.randrange(6))).encode()


def seizure_list(rng: random.Random) -> bytes:
    """Lines of the lists of Siena and CHB-MIT."""
    keys = ["File name", "Seizure n 1", "Registration start time",
            "Number of Seizures in File", "Seizure start time",
            "Seizure 1 Start Time", "Seizure end time", "End time"]
    values = ["r.edf", "q.edf", "10.00.00", "23:59:59", "24.00.00",
              "10 seconds", "50 seconds", *NUMBERS]
    return "\n".join(["File name: r.edf", *(
        f"{rng.choice(keys)}: {rng.choice(values)}"
        for _ in range(rng.randrange(9)))]).encode()


def discontinuous(rng: random.Random) -> bytes:
    """EDF+D whose records start where they may, and where they may not."""
    at, onsets = 0.0, []
    for _ in range(rng.randint(1, 8)):
        onsets.append(at)
        at += rng.choice([1, 1, 1, 1.0005, 1.5, 95, 1e5, 3e7, 0.5, 0])
    return plus(onsets, [tal(rng.choice([0, 3, 99]), 2, "sz")],
                kind=rng.choice(["EDF+D", "EDF+D", "EDF+C"])).bytes()


def wfdb_header(rng: random.Random) -> bytes:
    """A header of WFDB from its pieces; its samples are in `BESIDE`."""
    formats = ["16", "212", "80", "310", "24", "61", "16x2", "508", "16+4"]
    gains = ["200", "200(3)/mV", "0", "1e9", "2186.29(-1)", *NUMBERS]
    rows = [" ".join((rng.choice(["r.dat", "r.dat", "r.dat", "../x", "."]),
                      rng.choice(formats), rng.choice(gains), *(
                          rng.choice(["12", "0", "16", *NUMBERS])
                          for _ in range(rng.randrange(6)))))
            for _ in range(rng.choice([1, 1, 2, 3]))]
    return "\n".join([" ".join((
        rng.choice(["r", "r", "r/2", "\u0665"]), str(len(rows)),
        rng.choice(["250", "0", "333.3", *NUMBERS]),
        rng.choice(["", "900", *NUMBERS]),
        rng.choice(["", "10:20:30 02/03/2021", "25:00:00 1/1/1"]))),
        *rows]).encode()


def joined(rng: random.Random) -> bytes:
    """A header that joins `r`, gaps, itself and records that are not there."""
    rows = [f"{rng.choice(['r', 'r', 'r', '~', 'm', 'q', '../r'])} "
            f"{rng.choice(['900', '900', '0', '5000', *NUMBERS])}"
            for _ in range(rng.randrange(5))]
    count = rng.choice([len(rows), len(rows), len(rows), 7])
    return "\n".join([f"m/{count} 1 {rng.choice(['250', '250', '90'])} 900",
                      *rows]).encode()


def about(rng: random.Random) -> bytes:
    """The JSON of a BIDS table, with wrong types and numbers."""
    odd = [0, -20, 1e9, -1e9, "n/a", None, True, [1], {}, "250"]
    fields = {"SamplingFrequency": rng.choice([50, 50, 50, *odd]),
              "StartTime": rng.choice([0, 2.5, *odd]),
              "Columns": rng.choice([["ecg"], ["ecg"], ["x"], [], *odd]),
              "ecg": rng.choice([{"Units": "\xb5V"}, {"Units": 7}, *odd])}
    return json.dumps({name: value for name, value in fields.items()
                       if rng.random() < 0.9}).encode()


def holter(rng: random.Random) -> bytes:
    """An ISHNE file with odd numbers in its header."""
    odd = [0, 1, -1, 12, 13, 250, 32767]
    counts = np.zeros((900, rng.randint(1, 3)), np.int64)
    return ishne(counts, rng.choice(odd), rng.choice([None, 0, 5]),
                 rng.choice(odd))


def cells(rng: random.Random) -> bytes:
    """A BIDS table of numbers; its JSON is in `BESIDE`."""
    return gzip.compress("\n".join("\t".join(
        rng.choice([*NUMBERS, "1", "2.5"]) for _ in range(rng.choice(
            [2, 2, 2, 1]))) for _ in range(rng.randrange(90))).encode(
                "utf-8", "replace"), mtime=0)


SAMPLES = {"r.dat": bytes(range(256)) * 20}
BESIDE = {
    "r.hea": SAMPLES, "m.hea": SAMPLES | {
        "r.hea": b"r 1 250 2560\nr.dat 16 200(0)/mV 16 0 0 0 0 ECG\n"},
    "r_physio.tsv.gz": {
        "r_physio.json": b'{"SamplingFrequency": 50, "Columns": '
        b'["ecg", "x"], "ecg": {"Units": "V"}}'},
    "r_physio.json": {"r_physio.tsv.gz": physio([np.arange(900.0)]),
                      "r_events.tsv": b"onset\tduration\ttrial_type\n"
                      b"5\t2\tseizure\n"}}
MAKERS: dict[str, Callable[[random.Random], bytes]] = {
    "r.tse_bi": tse, "r.tse": tse,
    "r_events.tsv": table(
        ["onset", "duration", "eventType", "confidence", "channels",
         "dateTime", "recordingDuration", "vigilance"], "\t"),
    "r.csv_bi": table(["channel", "start_time", "stop_time", "label",
                       "confidence"], ","),
    "r.edf.seizures": wfdb, "times.seize": times,
    "r-annot.csv": table(["Onset", "Duration", "Annotation"], ","),
    "r_annotations.txt": table(["onset", "duration", "description"], "\t"),
    "Seizures-list-r.txt": seizure_list, "r.beats.csv": beats,
    "rr_r.csv.gz": beats, "r.edf": discontinuous, "r.rr": clocked,
    "r.txt": clocked, "r.fit": watch, "r.hea": wfdb_header, "r.ecg": holter,
    "r_physio.tsv.gz": cells, "r_physio.json": about, "m.hea": joined,
    "r.tsv": clocked, "r.hrv": clocked}
SOUND = {
    "r.tse_bi": TSE, "r.tse": TSE, "r_events.tsv":
    b"onset\tduration\teventType\n1\t2\tsz\n3\tn/a\tbckg\n",
    "r.csv_bi": b"channel,start_time,stop_time,label,confidence\n"
    b"TERM,0,1,seiz,1\n", "r.edf.seizures":
    (32 << 10 | 5).to_bytes(2, "little")
    + (33 << 10 | 900).to_bytes(2, "little") + bytes(2),
    "times.seize": b"r 00:00:10 00:00:20\n",
    "r-annot.csv": b"Onset,Duration,Annotation\n+00:00:10,9,sz start\n"
    b"2021-03-02 10:20:50,,sz end\n",
    "r_annotations.txt": b"# orig_time : 2021-03-02 10:20:30+00:00\n"
    b"# onset, duration, description\n10.0,5.0,Seizure, left\n",
    "Seizures-list-r.txt": b"File name: r.edf\nRegistration start time: "
    b"10.20.30\nSeizure start time: 10.20.40\nSeizure end time: 10.20.50\n",
    "r.beats.csv": beat_files.write(np.arange(1, 60) * 0.8),
    "rr_r.csv.gz": gzip.compress(
        b"rr_ms\n" + b"800\n" * 60, mtime=0),
    "r.hea": b"r 1 250 2560\nr.dat 16 200(0)/mV 16 0 0 0 0 ECG\n",
    "r.ecg": ishne(np.tile(np.arange(900), (2, 1)).T, checksum=0),
    "r_physio.tsv.gz": physio([np.arange(900.0), np.ones(900)]),
    "r.fit": fit([hrv([800, 750])] * 30), "r.txt":
    b"\n".join([b"812", b"790", b"805"] * 20)}


def mutate(content: bytes, rng: random.Random) -> bytes:
    """Change one to four things in a small file."""
    raw = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(raw) + 1)
        kind = rng.randrange(4)
        if kind == 0:
            raw[at:at + 1] = bytes([rng.randrange(256)])
        elif kind == 1:
            del raw[at:at + rng.randint(1, 20)]
        elif kind == 2:
            raw[at:at] = rng.choice(NUMBERS + WORDS).encode(
                "utf-8", "replace")
        else:
            raw[at:at] = raw[rng.randrange(len(raw) + 1):][:40]
    return bytes(raw)


def check(name: str, content: bytes, folder: Folder) -> None:
    """Read one input as a run would, and hold what is taken to its word."""
    for candidate in find.recordings(folder):
        outcome = assemble.recording(folder, candidate)
        assert all(p.text.isprintable() and p.rule != "input.unforeseen"
                   for p in outcome.problems), outcome
        if not isinstance(outcome, Recording):
            assert [(p.level, p.rule) for p in outcome.problems] == [
                ("warning", "path.not_read")] or [
                    p.level for p in outcome.problems] == ["error"]
            continue
        assert outcome.duration_s < 32 * 86400
        assert all(0 <= e.onset_s <= e.end_s <= outcome.duration_s + 1e-6
                   for e in outcome.events)
        if outcome.fs_hz is None:
            series = assemble.beats(folder, outcome)
            assert np.all(np.diff(series.time_s) > 0)
            assert series.duration_s == outcome.duration_s
    if name not in RECORDINGS:
        _convert(name, content)


def _convert(name: str, content: bytes) -> None:
    """What is read is written in every format, and read from there."""
    try:
        document = annotation_files.read(name, content, "r", None, 256.0)
        if name.endswith(wfdb_file.SUFFIXES):
            wfdb_file.marks(content)
    except AuraError as error:
        assert error.rule.startswith("annotations."), error
        return
    if document is None:
        return
    disjoint_seizures(document.events(), 60.0)
    for made in FORMATS.values():
        adapted, _ = adapt(document, made)
        if made.write is not None:
            again = annotation_files.read(
                "r" + made.ending, made.write(adapted), "r")
            assert again is not None
            assert len(again.rows) == len(adapted.rows)


def main(seed: int, count: int, place: Path) -> None:
    """Check `count` inputs."""
    rng = random.Random(seed)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    folder = Folder(place)
    sound = plus(range(60)).bytes()
    for _ in range(count):
        for path in place.iterdir():
            path.unlink()
        name = rng.choice(list(MAKERS))
        content = (mutate(SOUND[name], rng) if name in SOUND
                   and rng.random() < 0.5 else MAKERS[name](rng))
        (place / name).write_bytes(content)
        for other, more in BESIDE.get(name, {}).items():
            (place / other).write_bytes(more)
        if name not in RECORDINGS:
            (place / "r.edf").write_bytes(sound)
        elif rng.random() < 0.3:
            (place / "r.tse_bi").write_bytes(TSE)
        signal.alarm(INPUT_S)
        check(name, content, folder)
        signal.alarm(0)
    print(f"checked {count}")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
