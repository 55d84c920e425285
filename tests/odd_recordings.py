"""
The corpus of malformed and odd recordings, each with what it must get.

A case is one recording with the files beside it, the rule that has to be
named, and whether that refuses it. An empty rule is a good recording. Strict
mode also refuses a recording whose rule is one of `aura.edf.header.FAULTS`,
unless the fault is that of a channel that is not needed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from tests.edf_builder import Channel, File, heart, noise, plus, tal

BDF = b"\xffBIOSEMI"
WIDE = ("-8388608", "8388607")
TSE = b"version = tse_v1.0.0\n\n"
DATED = b"onset\tduration\teventType\tdateTime\trecordingDuration\n" \
    b"1\t2\tsz\t"
TSV = b"onset\tduration\teventType\n"


@dataclass(frozen=True)
class Case:
    """One recording and what has to be said of it."""

    name: str
    content: bytes
    rule: str = ""
    refused: bool = True
    beside: dict[str, bytes] = field(default_factory=dict)


def corpus() -> list[Case]:
    """All cases; names are unique."""
    cases = [case for make in _MAKERS for case in make()]
    assert len({case.name for case in cases}) == len(cases)
    return cases


def good() -> Iterator[Case]:
    """Recordings without any fault."""
    files = {
        "plain": File(), "edf plus": plus(), "bdf plus": plus(kind="BDF+C"),
        "discontinuous without a gap": plus(kind="EDF+D"),
        "bdf": File(version=BDF, reserved="24BIT"),
        "bdf with a blank reserved field": File(version=BDF),
        "plain with text in its reserved field": File(reserved="by us"),
        "start of a fraction": plus([i + 0.5 for i in range(60)]),
        "physical range inverted": File().with_channel(physical=("5", "-5")),
        "samples beyond the digital range": File().with_channel(
            range=("-2900", "2900"), physical=("-1", "1")),
        "records of three seconds": File(duration="3").with_channel(
            digital=heart(180, 256).reshape(60, 768)),
        "right-justified numbers": File(duration="       1"),
        "leap day": File(date="29.02.20"),
        "impossible date in the recording field of plain EDF": File(
            recording="Startdate 30-FEB-2021"),
        "other channel slower": File((Channel(), Channel(
            "Resp", digital=heart(60, 1)))),
        "annotated": plus(texts=[tal(5, 7, "seizure")]),
        "lower-case startdate": plus(recording="Startdate 02-mar-2021 X X X"),
    }
    for name, file in files.items():
        yield Case(name, file.bytes(), "", False)


def layout() -> Iterator[Case]:
    """Sizes that do not fit together."""
    whole = File().bytes()
    for name, content, rule in (
            ("empty file", b"", "edf.header.truncated"),
            ("one byte", b"0", "edf.header.truncated"),
            ("255 bytes", whole[:255], "edf.header.truncated"),
            ("cut in the signal table", whole[:400], "edf.header.truncated"),
            ("header alone", whole[:512], "edf.truncated"),
            ("not one record", whole[:512 + 511], "edf.truncated")):
        yield Case(name, content, rule)
    for name, content, rule in (
            ("cut at 40 %", whole[:len(whole) * 2 // 5], "edf.truncated"),
            ("one byte short", whole[:-1], "edf.truncated"),
            ("one record short", whole[:-512], "edf.truncated"),
            ("one byte more", whole + b"\0", "edf.trailing_bytes"),
            ("100 bytes more", whole + bytes(100), "edf.trailing_bytes"),
            ("zeros like a record", whole + bytes(512), "edf.trailing_bytes"),
            ("remains of a file", whole + whole[:1000], "edf.trailing_bytes"),
            ("two files in one", whole + whole, "edf.trailing_bytes"),
            ("one record more", whole + whole[-512:], "edf.record_count"),
            ("half the records", File(records="30").bytes(),
             "edf.record_count"),
            ("half the records of a cut file",
             File(records="30").bytes()[:-9], "edf.record_count")):
        yield Case(name, content, rule, False)
    for text, rule in (
            ("-1", "edf.record_count_unknown"), ("0", "edf.no_records"),
            ("-2", "edf.no_records"), ("99999999", "edf.truncated"),
            ("6e1", "edf.header.number"), ("60.0", "edf.header.number")):
        yield Case(f"{text!r} records", File(records=text).bytes(), rule,
                   False)
    for text, rule in (
            ("", "edf.header.number"), ("6_0", "edf.header.number"),
            (b"6\xb2", "edf.header.number"), ("nan", "edf.header.number"),
            ("0x3c", "edf.header.number"), ("6 0", "edf.header.number")):
        yield Case(f"{text!r} records", File(records=text).bytes(), rule)
    for text, rule in (
            ("0", "edf.no_signals"), ("-1", "edf.no_signals"),
            ("513", "edf.signal_count"), ("9999", "edf.signal_count"),
            ("two", "edf.header.number"), ("2", "edf.header_bytes")):
        yield Case(f"{text!r} signals", File(count=text).bytes(), rule)
    for text, rule in (
            ("768", "edf.header_bytes"), ("-512", "edf.header_bytes"),
            ("", "edf.header.number"), ("512.5", "edf.header.number")):
        yield Case(f"{text!r} header bytes", File(header_bytes=text).bytes(),
                   rule)
    yield Case("'512.0' header bytes", File(header_bytes="512.0").bytes(),
               "edf.header.number", False)
    yield Case("annotations alone", plus(channels=()).bytes(),
               "edf.no_signals")


def bombs() -> Iterator[Case]:
    """Headers whose sizes wrap around in 32 bits."""
    for power in (31, 32):
        for extra in (0, 310):
            for place in (0, 3, 12, 20):
                count = 24 if power == 31 else 48
                sizes = np.full(count, (2**power // 2) // count)
                sizes[-1] += 2**power // 2 + extra // 2 - sizes.sum()
                if power == 32:
                    sizes = sizes * 2 - np.arange(count) % 2
                yield Case(
                    f"bomb 2^{power} + {extra}, annotations at {place}",
                    _bomb([str(size) for size in sizes], place),
                    "edf.record_size")
    for text, rule in (
            ("99999999", "edf.record_size"), ("8388609", "edf.record_size"),
            ("8388608", "edf.truncated"), ("-256", "edf.samples"),
            ("0", "edf.record_size"), ("2e9", "edf.record_size"),
            ("", "edf.header.number")):
        yield Case(f"{text!r} samples per record",
                   File().with_channel(samples=text).bytes(), rule)
    for text, rule in (("2.56e2", "edf.header.number"),
                       ("128", "edf.record_count"), ("257", "edf.truncated")):
        yield Case(f"{text!r} samples per record",
                   File().with_channel(samples=text).bytes(), rule, False)


def _bomb(samples: list[str], place: int) -> bytes:
    empty = np.zeros((1, 1), int)
    channels = [Channel(f"ECG{i}", digital=empty, samples=text)
                for i, text in enumerate(samples)]
    channels[place] = replace(channels[place], label="EDF Annotations")
    return File(tuple(channels), reserved="EDF+C").bytes()


def fields() -> Iterator[Case]:
    """Header fields that are not what they should be."""
    for version in (b"1", b"", b"\x89PNG\r\n\x1a\n", b"\xffBIOSEMA", b"0x"):
        yield Case(f"version {version!r}", File(version=version).bytes(),
                   "edf.version")
    for kind in ("EDF+", "EDF+X", "EDF+c", "BDF+C"):
        yield Case(f"kind {kind}", File(reserved=kind).bytes(), "edf.kind",
                   False)
    yield Case("EDF+ in a BDF file", File(
        version=BDF, reserved="EDF+C").bytes(), "edf.kind", False)
    for letter in "CD":
        yield Case(f"EDF+{letter} without annotations", File(
            reserved=f"EDF+{letter}").bytes(), "edf.annotations_missing",
            letter == "D")
    yield Case("annotations with a label of another number", plus(
        note_label="EDF Annotation").bytes(), "", False)
    for text, rule in (
            ("1E100", "edf.header.number"), ("1,0,0", "edf.header.number"),
            ("nan", "edf.header.number"), ("inf", "edf.header.number"),
            ("", "edf.header.number"), ("0", "edf.record_duration"),
            ("-1", "edf.record_duration"), ("0.000", "edf.record_duration"),
            ("1_0", "edf.header.number"), ("1.0.0", "edf.header.number"),
            (b"1\xa0", "edf.header.number"), (".", "edf.header.number")):
        yield Case(f"{text!r} s per record", File(duration=text).bytes(),
                   rule)
    for text in ("1E0", "1,0", "1,", ",1E+1"):
        yield Case(f"{text!r} s per record", File(duration=text).bytes(),
                   "edf.header.number", False)
    for where in ("patient", "recording", "reserved"):
        for code in (0, 9, 10, 27, 127):
            text = b"a" + bytes([code]) + b"b"
            yield Case(f"control character {code} in the {where} field",
                       File(**{where: text}).bytes(), "edf.header.control")
        for text in (b"P01\0\0", b"P01\0 \0 ", b"P01  ".ljust(20, b"\0")):
            yield Case(f"{text!r} in the {where} field",
                       File(**{where: text}).bytes(),
                       "edf.header.nul_padding", False)
        yield Case(f"text after NUL in the {where} field", File(
            **{where: b"\0P01"}).bytes(), "edf.header.control")
    for where in ("label", "unit", "transducer", "prefilter", "reserved"):
        yield Case(f"NUL behind {where}", File().with_channel(
            **{where: b"ECG\0\0"}).bytes(), "edf.header.nul_padding", False)
        yield Case(f"NUL in {where}", File().with_channel(
            **{where: b"EC\0G"}).bytes(), "edf.header.control")
    for where, text in (
            ("date", b"1.2.21"), ("time", b"1.2.3"), ("header_bytes", b"512"),
            ("records", b"60"), ("duration", b"1"), ("count", b"1"),
            ("version", b"0")):
        yield Case(f"NUL behind {where}", File(
            **{where: text + b"\0\0"}).bytes(), "edf.header.control", False)
        if where != "version":
            yield Case(f"NUL in {where}", File(
                **{where: b"0\0" + text}).bytes()[:99999],
                "edf.header.control")
    for name, bad in (("physical", (b"-5\0", "5")), ("samples", b"256\0"),
                      ("range", ("-1", b"1\0"))):
        yield Case(f"NUL behind {name}", File().with_channel(
            **{name: bad}).bytes(), "edf.header.control", False)
    for where in ("label", "unit", "transducer", "prefilter", "reserved"):
        yield Case(f"control character in {where}", File().with_channel(
            **{where: b"E\x1bCG"}).bytes(), "edf.header.control")


def ranges() -> Iterator[Case]:
    """Ranges of an ECG channel and of others."""
    for low, high, rule in (
            ("0", "0", "edf.digital_range"),
            ("-32769", "32767", "edf.digital_range"),
            ("-32768", "32768", "edf.digital_range"),
            ("-1.5", "1.5", "edf.header.number"),
            ("", "", "edf.header.number")):
        yield from _on_ecg_and_beside(
            f"digital {low!r} to {high!r}", rule, range=(low, high))
    yield Case("digital range upside down", File().with_channel(
        range=("2047", "-2048")).bytes(), "edf.header.number", False)
    for low, high, rule in (
            ("5", "5", "edf.physical_range"),
            ("0", "-0.0", "edf.physical_range"),
            ("-1e308", "1e308", "edf.header.number"),
            ("nan", "5", "edf.header.number"),
            ("-inf", "inf", "edf.header.number"),
            ("-5,0,0", "5,0", "edf.header.number"),
            ("", "5", "edf.header.number")):
        yield from _on_ecg_and_beside(
            f"physical {low!r} to {high!r}", rule, physical=(low, high))
    for low, high in (("-5,0", "5,0"), ("-5e0", "5.0E+00"), ("-,5", "5,")):
        for case in _on_ecg_and_beside(
                f"physical {low!r} to {high!r}", "edf.header.number",
                physical=(low, high)):
            yield replace(case, refused=False)
    for name, duration, samples, rule in (
            ("20001 Hz", "1", 20001, "edf.sampling_rate"),
            ("256 samples in 1 ms", "0.001", 256, "edf.sampling_rate")):
        yield Case(name, File(duration=duration).with_channel(
            digital=noise(2, samples)).bytes(), rule)
    yield Case("a sample every 100 s", File(duration="100").with_channel(
        digital=noise(60, 1)).bytes(), "edf.sampling_rate")
    yield Case("ECG without samples beside an EEG", File((
        Channel(samples="0", digital=np.empty((60, 0), int)),
        Channel("EEG"))).bytes(), "edf.sampling_rate")
    yield Case("EEG without samples", File((
        Channel(), Channel("EEG", digital=np.empty((60, 0), int)),
    )).bytes(), "edf.sampling_rate", False)
    yield Case("24-bit range too wide", File(version=BDF).with_channel(
        range=("-8388609", "8388607")).bytes(), "edf.digital_range")
    yield Case("24-bit range", File(version=BDF).with_channel(
        range=WIDE, physical=("-1280", "1280")).bytes(), "", False)


def _on_ecg_and_beside(name: str, rule: str, **bad: object) -> Iterator[Case]:
    yield Case(f"{name} on the ECG", File().with_channel(**bad).bytes(), rule)
    yield Case(f"{name} beside the ECG", File((
        Channel(), Channel("-", **bad))).bytes(), rule, False)


def dates() -> Iterator[Case]:
    """Dates and times of day."""
    for text in ("30.02.21", "99.99.99", "00.00.00", "29.02.21", "02/03/21",
                 "2.3.2021", "02.03.yy", "", "02.13.21", "dd.mm.yy",
                 "02-03-21", b"\xb2\xb2.03.21"):
        yield Case(f"date {text!r}", File(date=text).bytes(), "edf.date",
                   False)
    for text in ("24.00.00", "10.60.00", "10.20.60", "10:20:30", "", "10.20",
                 "-1.20.30", "99.99.99"):
        yield Case(f"time {text!r}", File(time=text).bytes(), "edf.time",
                   False)
    for text in ("03-MAR-2021", "02-APR-2021", "02-MAR-1921", "30-FEB-2021",
                 "02-03-2021", "02-MRZ-2021", "02-MAR-21", "2021-03-02",
                 "2-MAR-2021", "02-MAR-0021"):
        yield Case(f"startdate {text}", plus(
            recording=f"Startdate {text} X X X").bytes(), "edf.startdate",
            False)
    yield Case("EDF+ without a startdate", plus(recording="").bytes(),
               "edf.startdate_missing", False)
    yield Case("year elsewhere, but nowhere", plus(
        date="02.03.yy", recording="Startdate X X X X").bytes(), "edf.date",
        False)


def times() -> Iterator[Case]:
    """Times of records in EDF+."""
    gap = [0, 1, 2, 98, 99]
    yield Case("EDF+D with a gap of 95 s", plus(gap, kind="EDF+D").bytes(),
               "edf.gaps", False)
    yield Case("BDF+D with a gap", plus(gap, kind="BDF+D").bytes(),
               "edf.gaps", False)
    yield Case("EDF+D with a gap of a year", plus(
        [0, 1, 3e7], kind="EDF+D").bytes(), "edf.gap_length")
    for name, onsets, refused in (
            ("a gap", gap, False), ("a late start", [5, 6, 7], False),
            ("time running back", [0, 1, 2, 1, 2], True),
            ("an overlap", [0, 1, 1.5, 2.5], True),
            ("a start after months", [9e6, 9e6 + 1], True)):
        yield Case(f"EDF+C with {name}", plus(onsets).bytes(),
                   "edf.record_onset", refused)
    yield Case("EDF+D with time running back",
               plus([0, 1, 0], kind="EDF+D").bytes(), "edf.record_onset")
    for name, first in (
            ("zero bytes", b""), ("text", b"hello"),
            ("an event", tal(0, 1, "sz"))):
        file = plus()
        file.notes[0][30] = first
        yield Case(f"{name} where a record's time should be", file.bytes(),
                   "edf.record_onset", False)
        yield Case(f"{name} where a record's time has to be", replace(
            file, reserved="EDF+D").bytes(), "edf.annotation.timekeeping")


def lists() -> Iterator[Case]:
    """EDF+ annotations that break the grammar."""
    for rule, piece in (
            ("onset", b"five\x153\x14sz\x14\0"),
            ("onset", b"5\x153\x14sz\x14\0"),
            ("onset", b"+5 \x153\x14sz\x14\0"),
            ("onset", b"+1e3\x14sz\x14\0"),
            ("onset", b"+nan\x14sz\x14\0"),
            ("duration", b"+5\x15-3\x14sz\x14\0"),
            ("duration", b"+5\x15+3\x14sz\x14\0"),
            ("duration", b"+5\x15long\x14sz\x14\0"),
            ("unterminated", b"+5\x153\x14sz\0"),
            ("text", b"+5\x153\x14s\xff\xfez\x14\0"),
            ("text", b"+5\x153\x14s\xedz\x14\0"),
            ("control", b"+5\x153\x14s\x07z\x14\0")):
        yield Case(f"annotation {piece!r}", plus(texts=[piece]).bytes(),
                   f"edf.annotation.{rule}", False)
    yield Case("annotation with commas", plus(
        texts=[b"+5,0\x153,5\x14sz\x14\0"]).bytes(), "", False)
    content = plus(texts=[tal(5, 3, "sz")]).bytes()
    content = content.replace(b"sz\x14\0\0\0", b"notes\x14")
    yield Case("annotation to the last byte", content,
               "annotations.other", False)


def events() -> Iterator[Case]:
    """Annotations that are well written and odd."""
    for name, rule, texts in (
            ("outside", "outside", [tal(9999, 5, "sz")]),
            ("before the start", "outside", [tal(-50, 5, "sz")]),
            ("half outside", "clipped", [tal(58, 5, "sz")]),
            ("overlapping", "overlap", [tal(5, 9, "sz"), tal(8, 9, "sz")]),
            ("twice", "overlap", [tal(5, 9, "sz"), tal(5, 9, "sz")]),
            ("out of order", "order", [tal(9, 2, "sz"), tal(5, 2, "sz")]),
            ("of no length", "no_length", [tal(9, 0, "sz")]),
            ("without a length", "no_length", [tal(9, None, "sz")]),
            ("of another word", "other", [tal(9, 1, "lights off")])):
        yield Case(f"events {name}", plus(texts=texts).bytes(),
                   f"annotations.{rule}", False)
    for name, suffix, content, rule, refused in (
            ("tse without its version", ".tse_bi", b"1 2 seiz 1\n",
             "annotations.syntax", True),
            ("tse with a comma", ".tse_bi", TSE + b"1,5 2 seiz 1\n",
             "annotations.syntax", True),
            ("tse of three fields", ".tse_bi", TSE + b"1 2 seiz\n",
             "annotations.syntax", True),
            ("tse of binary", ".tse_bi", b"\xff\xfe\x00\x01",
             "annotations.syntax", True),
            ("tse empty", ".tse_bi", b"", "annotations.syntax", True),
            ("tse running back", ".tse_bi", TSE + b"9 5 seiz 1\n",
             "annotations.syntax", True),
            ("tse of another version", ".tse_bi",
             b"version = csv_v1.0.0\n1 2 seiz 1\n",
             "annotations.syntax", True),
            ("tse of no length", ".tse_bi", TSE + b"5 5 seiz 1\n",
             "annotations.no_length", False),
            ("tse outside", ".tse_bi", TSE + b"90 99 seiz 1\n",
             "annotations.outside", False),
            ("tse with other labels", ".tse_bi",
             TSE + b"1 2 artf 1\n3 5 seiz 1\n",
             "annotations.other", False),
            ("tse of other labels alone", ".tse_bi",
             TSE + b"1 2 artf 1\n", "annotations.no_words", False),
            ("tse good", ".tse_bi", TSE + b"1 2 seiz 1\n", "", False),
            ("tsv without onset", "_events.tsv", b"duration\teventType\n",
             "annotations.syntax", True),
            ("tsv with a word", "_events.tsv", TSV + b"soon\t2\tsz\n",
             "annotations.syntax", True),
            ("tsv with a length of -2", "_events.tsv", TSV + b"9\t-2\tsz\n",
             "annotations.no_length", False),
            ("tsv without a length", "_events.tsv", TSV + b"9\tn/a\tsz\n",
             "annotations.no_length", False),
            ("tsv of 30 February", "_events.tsv", DATED
             + b"2021-02-30 10:20:30\t60\n", "annotations.syntax", True),
            ("tsv of 25 o'clock", "_events.tsv", DATED
             + b"2021-03-02 25:20:30\t60\n", "annotations.syntax", True),
            ("tsv of another year", "_events.tsv", DATED
             + b"2020-03-02 10:20:30\t60\n", "annotations.other_date",
             False),
            ("tsv of another length", "_events.tsv", DATED
             + b"2021-03-02 10:20:30\t62\n", "annotations.other_length",
             False),
            ("tsv of the next day", "_events.tsv", DATED
             + b"2021-03-03 10:20:30\t60.9\n", "", False),
            ("tsv of a day written otherwise", "_events.tsv", DATED
             + b"2 March\tn/a\n", "", False),
            ("tsv with impd", "_events.tsv", TSV + b"1\t2\timpd\n", "",
             False)):
        yield Case(name, File().bytes(), rule, refused,
                   {f"r{suffix}": content})
    yield Case("annotations that disagree",
               plus(texts=[tal(30, 9, "sz")]).bytes(),
               "annotations.disagree", False,
               {"r.tse_bi": TSE + b"1 9 seiz 1\n"})
    yield Case("annotations that agree",
               plus(texts=[tal(30, 9, "sz")]).bytes(), "", False,
               {"r.tse_bi": TSE + b"30.0 39.0 seiz 1\n"})
    yield Case("annotations in a file that is not EDF+",
               replace(plus(texts=[tal(5, 5, "sz")]), reserved="").bytes(),
               "edf.annotations_in_plain", False)


def signals() -> Iterator[Case]:
    """Containers in order whose signal is poor or of another kind."""
    saturated = np.clip(heart(60, 256) * 60, -32768, 32767)
    for name, rule, file in (
            ("two ECG channels", "ecg.several", File((
                Channel("ECG1", digital=noise(60, 256)), Channel("ECG2")))),
            ("two channels of one label", "ecg.several",
             File((Channel(), Channel()))),
            ("ECG by the name of its lead", "ecg.by_lead",
             File().with_channel(label="II")),
            ("unit missing", "ecg.unit_missing",
             File().with_channel(unit="")),
            ("unit unknown", "ecg.unit_unknown",
             File().with_channel(unit="mmHg")),
            ("flat", "ecg.flat", File().with_channel(
                digital=np.zeros((60, 256), int))),
            ("saturated", "ecg.saturated", File().with_channel(
                digital=saturated)),
            ("noise only", "ecg.noise", File().with_channel(
                digital=noise(60, 256))),
            ("8 Hz", "ecg.rate_low", File().with_channel(
                digital=heart(60, 8))),
            ("17 s", "recording.short", File().with_channel(
                digital=heart(17, 256))),
            ("one second", "recording.short", File().with_channel(
                digital=heart(1, 256))),
            ("one sample", "recording.short", File().with_channel(
                digital=heart(1, 1))),
            ("volts for microvolts", "ecg.amplitude",
             File().with_channel(unit="V"))):
        yield Case(name, file.bytes(), rule, False)
    for name, label in (("EEG only", "EEG Fp1"), ("no label", ""),
                        ("ECoG", "ECoG 1")):
        yield Case(name, File().with_channel(label=label).bytes(),
                   "ecg.missing")
    for where in ("patient", "recording"):
        for encoding in ("latin-1", "utf-8"):
            yield Case(f"{encoding} in the {where} field", File(
                **{where: "J\u00f6rg".encode(encoding)}).bytes(),
                "edf.header.not_ascii", False)
    for where, text in (
            ("unit", "\u00b5V".encode("latin-1")),
            ("unit", "\u00b5V".encode()), ("unit", "\u03bcV".encode()),
            ("label", "ECG \u00e9".encode("latin-1")),
            ("label", "\u042d\u041a\u0413 ECG".encode()),
            ("label", b"ECG \x9b31m"), ("transducer", b"\xe9"),
            ("prefilter", b"\xff"), ("reserved", b"\xa0")):
        yield Case(f"{text!r} in {where}", File().with_channel(
            **{where: text}).bytes(), "edf.header.not_ascii", False)
    many = File((Channel(), *(
        Channel(f"E{i}", digital=np.zeros((60, 2), int))
        for i in range(511))))
    yield Case("512 channels", many.bytes(), "", False)
    yield Case("rounded record times", plus(
        [round(i / 3, 4) for i in range(183)], duration="0.333333",
        channels=(Channel(digital=heart(183, 85, bpm=24)),),
    ).bytes(), "", False)


_MAKERS: tuple[Callable[[], Iterator[Case]], ...] = (
    good, layout, bombs, fields, ranges, dates, times, lists, events, signals)
