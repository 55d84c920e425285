"""
The table of situations in docs/formats.md, with an input for each row.

A row says what is read, as facts that are separated by semicolons, and the
rule of the warning or error; `-` is none. `FILES` makes the input of the row.
"""

import gzip
import json
import warnings
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from aura.dataset import assemble, find
from aura.folder import Folder
from tests.edf_builder import Channel, File, heart, noise, plus, tal
from tests.fit_builder import fit, hrv, record
from tests.waveform_builder import ishne, physio

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import wfdb

pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")
PAGE = Path(__file__).parents[2] / "docs/formats.md"
RR = np.round(800 + 40 * np.sin(np.arange(120) / 5)).astype(int)
LOST = 60  # Row of the intervals before which 120 s are lost
WAVE = heart(70, 250).ravel()
SIDECAR = {"SamplingFrequency": 250, "StartTime": 0, "Columns": ["ecg"],
           "ecg": {"Units": "mV"}}
EVENTS = "onset\tduration\ttrial_type\n"
SEIZURE = EVENTS + "10\t5\tseizure\n"
SIENA = "File name: r.edf\nRegistration start time: 10.20.30\n"


def edf(**changes):
    return {"r.edf": File(**changes).bytes()}


def noted(*notes, **changes):
    return {"r.edf": plus(range(60), notes, **changes).bytes()}


def marks(begin, end):
    return noted(tal(10, None, begin), tal(30, None, end))


def beside(name, text, **changes):
    return edf(**changes) | {name: text}


def channels(*listed):
    return edf(channels=tuple(listed))


def electrodes(flat=None):
    """Two electrodes of one heart against a noisy reference."""
    shared = noise(60, 256, 1500)
    both = [shared + sign * heart(60, 256, 400) for sign in (1, -1)]
    if flat is not None:
        both[flat] = np.zeros((60, 256), int)
    return channels(*(Channel(f"ECG{end}", digital=samples)
                      for end, samples in zip("+-", both, strict=True)))


def night():
    """Two hours from half past eleven on."""
    return {"r.edf": File((Channel(digital=heart(7200, 64)),),
                          time="23.30.00").bytes()}


def rows(head, row, ending="csv", lost_s=120.0):
    """A text of intervals; 120 s are lost in its clock."""
    at, lines = 0.0, [head] if head else []
    for number, rr in enumerate(RR):
        at += rr / 1000 + lost_s * (number == LOST)
        lines.append(row(rr, at, datetime(2023, 1, 1, 10) + timedelta(
            seconds=at)))
    return {f"r.{ending}": "\n".join([*lines, ""])}


def dated(form, head="timestamp;rr_ms"):
    return rows(head, lambda rr, at, moment: f"{moment:{form}};{rr}")


def newest_first():
    head, *lines = dated("%Y-%m-%dT%H:%M:%S.%f")["r.csv"].split()
    return {"r.csv": "\n".join([head, *lines[::-1]])}


def watch(**more):
    at, messages = 10**9, []
    for first in range(0, len(RR), 4):
        at += RR[first:first + 4].sum() / 1000 + 120 * (first == LOST)
        messages += [record(int(at)), hrv(RR[first:first + 4])]
    return {"r.fit": fit(messages if not more else messages[::2])}


def wave(folder, name="r", code="", text=(), rate=None):
    """A WFDB record of 70 s; its annotations are at 10 and 20 s."""
    wfdb.wrsamp(name, 250, ["mV"], ["ECG"], d_signal=WAVE.reshape(-1, 1),
                fmt=["16"], adc_gain=[1000.0], baseline=[0],
                write_dir=str(folder))
    if code:
        at = np.array([10, 20]) * (rate or 250)
        wfdb.wrann(name, "atr", at, [code] * 2, fs=rate, aux_note=text or None,
                   write_dir=str(folder))


def spoilt(change):
    def make(folder):
        wave(folder)
        path = folder / "r.dat"
        content = path.read_bytes()
        path.unlink()
        if change(content):
            path.write_bytes(change(content))
    return make


def segments(folder):
    wave(folder, "r_1")
    wave(folder, "r_2")
    (folder / "r.hea").write_text(
        "r/3 1 250 40000\nr_1 17500\n~ 5000\nr_2 17500\n")


def body(*, sidecar="sub-1_task-a_physio.json", events=SEIZURE, **changes):
    return {"sub-1_task-a_physio.tsv.gz": physio([WAVE / 1000]),
            sidecar: json.dumps(SIDECAR | changes),
            "sub-1_task-a_events.tsv": events}


def below(files, folder):
    return {f"{folder}/{name}": content for name, content in files.items()}


HOLTER = ishne(np.column_stack([WAVE, WAVE]))
NO_START = plus(range(60), [tal(10, 5, "seizure")])
NO_START.notes[0][30] = b""

FILES = {
    "`Seizure start`, `Seizure end`": marks("Seizure start", "Seizure end"),
    "`Inicio de la crisis`, `Fin de la crisis`": marks(
        "Inicio de la crisis", "Fin de la crisis"),
    "`konec záchvatu` after `záchvat`": marks("záchvat", "konec záchvatu"),
    "two pairs of marks that cross": noted(
        tal(10, None, "Sz 1 start"), tal(15, None, "Sz 2 start"),
        tal(20, None, "Sz 1 end"), tal(30, None, "Sz 2 end")),
    "a start without an end": noted(tal(10, None, "Seizure onset")),
    "an end without a start": noted(tal(10, None, "Seizure end")),
    "a duration of -5 in EDF+": noted(b"+10\x15-5\x14seizure\x14\0"),
    "`Krampfanfälle` in Latin-1": noted(
        b"+10\x155\x14Krampfanf\xe4lle\x14\0"),
    "`ikke anfald`, and nothing else": noted(tal(10, 5, "ikke anfald")),
    "`seizure?`, and nothing else": noted(tal(10, 5, "seizure?")),
    "`no response, seizure`": noted(tal(10, 5, "no response, seizure")),
    "`приступ`, a script without terms": noted(tal(10, 5, "приступ")),
    "a seizure after the end": noted(tal(70, 5, "seizure")),
    "a seizure, and one after the end": noted(
        tal(10, 5, "seizure"), tal(70, 5, "seizure")),
    "annotations in a file that says plain EDF": noted(
        tal(10, 5, "seizure"), kind=""),
    "no annotation of any sort": edf(),
    "BIDS events without rows": beside("r_events.tsv", EVENTS),
    "BIDS durations `n/a`, `NaN` and -1": beside(
        "r_events.tsv", EVENTS + "10\tn/a\tsz\n30\tNaN\tsz\n50\t-1\tsz\n"),
    "a decimal comma in a table with tabs": beside(
        "r_events.tsv", EVENTS + "10,5\t5,0\tseizure\n"),
    "a table of EDFbrowser without durations": beside(
        "r_annotations.csv", "Onset,Annotation\n+00:00:10,Seizure start\n"
        "+00:00:30,Seizure end\n"),
    "a table in Windows-1252": beside("r_annotations.csv", (
        "onset,duration,description\n10,5,Anfälle\n").encode("cp1252")),
    "a list of Siena over midnight": night() | {
        "Seizures-list-r.txt": SIENA.replace("10.20.30", "23.30.00")
        + "Seizure start time: 23.59.50\nSeizure end time: 00.00.20\n"},
    "a list of Siena with AM and PM": beside(
        "Seizures-list-r.txt", SIENA + "Seizure start time: 10.20.40 PM\n"
        "Seizure end time: 10.20.50 PM\n", time="22.20.30"),
    "a list of CHB-MIT with other blanks": beside(
        "x-summary.txt", "File Name :r.edf\nNumber of Seizures in File :1\n"
        "Seizure Start Time:10  seconds\nSeizure End Time : 15seconds\n"),
    "a list that does not name the recording": beside(
        "x-summary.txt", "File Name: q.edf\nNumber of Seizures in File: 0\n"),
    "a spreadsheet in the folder": beside("diary.xlsx", b"PK\3\4"),
    "an annotation table without onsets": beside(
        "r_events.tsv", "start\tend\n10\t15\n"),
    "-1 records": edf(records="-1"),
    "a cut file": {"r.edf": File().bytes()[:-700]},
    "more records than the header says": edf(records="40"),
    "other bytes at the end": {"r.edf": File().bytes() + bytes(100)},
    "a gap inside EDF+C": {"r.edf": plus(
        [*range(30), *range(90, 120)], [tal(95, 5, "seizure")]).bytes()},
    "a gap inside EDF+D": {"r.edf": plus(
        [*range(30), *range(90, 120)], [tal(95, 5, "seizure")],
        kind="EDF+D").bytes()},
    "a first record that starts 5 s late": {"r.edf": plus(
        range(5, 65), [tal(10, 5, "seizure")]).bytes()},
    "a record of EDF+C without its start": {"r.edf": NO_START.bytes()},
    "`EDF+` without a letter": noted(tal(10, 5, "seizure"), kind="EDF+"),
    "EDF+C without annotations": edf(reserved="EDF+C"),
    "EDF+D without annotations": edf(reserved="EDF+D"),
    "`-5,000` in a number": channels(Channel(physical=("-5,000", "5,000"))),
    "numbers padded with NUL": channels(Channel(
        physical=(b"-5\0\0", b"5\0\0"))),
    "a digital minimum above the maximum": channels(Channel(
        range=("32767", "-32768"))),
    "the date 00.00.00": edf(date="00.00.00"),
    "the time 10:20:30": edf(time="10:20:30"),
    "the date 03/25/21": edf(date="03/25/21"),
    "a Startdate in German": noted(recording="Startdate 02-M\xc4R-2021 X X"),
    "01.01.85, and a real Startdate": noted(date="01.01.85"),
    "two different dates": noted(recording="Startdate 05-MAR-2021 X X"),
    "01.01.85 with `Startdate X`": noted(
        date="01.01.85", recording="Startdate X X X X"),
    "`ECG+` and `ECG-` with a shared reference": electrodes(),
    "the same, and ECG- is flat": electrodes(flat=1),
    "`ECG` in bpm beside `II`": channels(
        Channel(unit="bpm"), Channel("II")),
    "`ECG` at 10 Hz beside `II`": channels(
        Channel(digital=heart(60, 10)), Channel("II")),
    "the lead `DII`": channels(Channel("EEG Fp1"), Channel("DII")),
    "the only channel `CH1`": channels(Channel("CH1")),
    "the unit `microV`": channels(Channel(
        unit="microV", physical=("-5000", "5000"))),
    "an EEG alone": channels(Channel("EEG Fp1")),
    "the patient `Patient 01`": edf(patient="Patient 01"),
    "the patient `EEG 12` in `A_day1`": below(
        edf(patient="EEG 12"), "A_day1"),
    "the patient `X` in `B/2021-03-02`": below(
        edf(patient="X X X X"), "B/2021-03-02"),
    "one interval in each line": rows(
        "", lambda rr, at, moment: str(rr), "txt"),
    "a report of Kubios": rows(
        "RR INTERVAL DATA\nTime,RR interval\n(s),(s)",
        lambda rr, at, moment: f"{at:.3f},{rr / 1000}"),
    "Polar Sensor Logger": dated("%Y-%m-%dT%H:%M:%S.%f", (
        "Phone timestamp;RR-interval [ms]")),
    "Polar Flow, 10 intervals offline": rows(
        "duration,offline", lambda rr, at, moment:
        f"{rr},{int(moment.second in range(1, 9) and at < 9)}"),
    "HRV Logger": rows(
        "date, timestamp, rr, since start", lambda rr, at, moment:
        f"{moment:%Y-%m-%d %H:%M:%S} +0000, {at:.0f}, {rr}, {at * 1000:.0f}"),
    "`Uhrzeit` and a decimal comma": rows(
        "Uhrzeit;RR-Intervall (s)", lambda rr, at, moment:
        f"{moment:%H:%M:%S};{rr / 1000}".replace(".", ",")),
    "`Czas`, or any name of a clock": dated("%H:%M:%S", "Czas;rr_ms"),
    "times with AM and PM": dated("%m/%d/%Y %I:%M:%S %p"),
    "`25/01/2023`": {"r.csv": dated("%d/%m/%Y %H:%M:%S")["r.csv"].replace(
        "01/01", "25/01")},
    "rows with the newest first": newest_first(),
    "FIT": watch(),
    "FIT without intervals": watch(rr=False),
    "WFDB": wave,
    "WFDB of two segments with 20 s between": segments,
    "`.atr` with a rhythm `(SZ` at its own rate": lambda folder: wave(
        folder, "r", "+", ["(SZ", "(N"], 500),
    "`.atr` with beats only": lambda folder: wave(folder, "r", "N"),
    "WFDB without its samples": spoilt(lambda content: b""),
    "WFDB with a wrong checksum": spoilt(
        lambda content: b"\1\1" + content[2:]),
    "WFDB that was cut off": spoilt(lambda content: content[:-5000]),
    "an ISHNE file that was cut off": {"r.ecg": HOLTER[:-1000]},
    "BIDS physio, `StartTime` -20": body(StartTime=-20),
    "BIDS physio, its JSON in a folder above": below(
        body(), "sub-1/func") | {
            "sub-1/func/sub-1_task-a_physio.json": "{}",
            "task-a_physio.json": json.dumps(SIDECAR)},
    "BIDS physio in `µV`": body(ecg={"Units": "µV"}),
    "`.edf.gz`": {"r.edf.gz": gzip.compress(File().bytes())},
    "`.edf.gz` that was cut off": {
        "r.edf.gz": gzip.compress(File().bytes())[:-99]},
    "`.edf.xz`, archives, tables of numbers": {"r.edf.xz": b"\xfd7zXZ"},
}


def table():
    """The rows of the page: situation, facts and rule."""
    text = PAGE.read_text("utf-8").split("| situation | what is read | rule |")
    lines = text[1].split("\n\n")[0].strip().split("\n")[1:]
    return [tuple(cell.strip() for cell in line.strip("| ").split(" | "))
            for line in lines]


def facts_of(found):
    """What may be said of a recording."""
    rules = {problem["rule"] for problem in found["problems"]}
    if found["status"] != "ok":
        return {"counted" if rules == {"path.not_read"} else "rejected"}
    seizures = found["annotations"]["seizures"]
    facts = {f"{found['duration_s']:.0f} s", f"unit {found['unit']}",
             f"channel {found['chosen']}",
             f"starts {found['start'].replace('T', ' ')[:19]}",
             "patient {name} ({source})".format(**found["patient"])}
    if found["annotations"]["source"] is None:
        return facts | {"not annotated"}
    facts.add(", ".join(
        f"seizure {one['onset_s']:g} to "
        f"{one['onset_s'] + one['duration_s']:g} s" if one["duration_s"]
        else f"seizure at {one['onset_s']:g} s" for one in seizures)
        or "no seizure")
    return facts


def test_each_row_has_an_input_and_each_input_a_row():
    assert [row[0] for row in table()] == list(FILES)


@pytest.mark.parametrize(("situation", "said", "rule"), table())
def test_a_situation_is_read_as_the_table_says(
        tmp_path, situation, said, rule):
    files = FILES[situation]
    for name, content in ({} if callable(files) else files).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str)
                         else content)
    if callable(files):
        files(tmp_path)
    inside = Folder(tmp_path)
    found, = [assemble.report(inside, candidate)
              for candidate in find.recordings(inside)]
    facts = set(said.split("; "))
    assert facts <= facts_of(found), facts_of(found)
    # What is known of seizures is always said.
    assert found["status"] != "ok" or any(
        fact.startswith(("seizure", "no seizure", "not annotated"))
        for fact in facts)
    rules = {problem["rule"] for problem in found["problems"]} - {
        "recording.no_date"}
    assert rule.strip("`") in rules if rule != "-" else not rules
