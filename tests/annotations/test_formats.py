"""Every format of annotations: examples, and what a conversion keeps."""

import csv
import io
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pyarrow.csv
import pytest
from hypothesis import example, given, settings, strategies as st

from aura.annotations import bids, szdb, tse, tuh as tuh_file
from aura.annotations.annotation import (
    Annotation,
    Annotations,
    disjoint_seizures,
)
from aura.annotations.formats import FORMATS, adapt
from aura.annotations.vocabulary import CODES, code, hed, label_of, two_classes
from aura.dataset import annotation_files
from aura.errors import AuraError
from aura.recording import Event
from tests.work import lines_run

START = datetime(2021, 3, 2, 10, 20, 30, 250_000)
TUSZ_CSV = b"""# version = csv_v1.0.0
# bname = aaaaaaac_s001_t000
# duration = 301.00 secs
# montage_file = $NEDC_NFC/lib/nedc_eas_default_montage.txt
#
channel,start_time,stop_time,label,confidence
FP1-F7,0.0000,36.8868,bckg,1.0000
FP1-F7,36.8868,112.0000,cpsz,0.9000
F7-T3,36.8868,112.0000,cpsz,0.9000
TERM,112.0000,301.0000,bckg,1.0000
"""


def rules(problems):
    return [problem.rule for problem in problems]


def test_tusz_v2_example():
    document = tuh_file.read(TUSZ_CSV)
    assert (document.duration_s, document.name) == (
        301.0, "aaaaaaac_s001_t000")
    assert document.rows[1] == Annotation(
        36.8868, 112 - 36.8868, "cpsz", 0.9, "FP1-F7")
    assert document.rows[3] == Annotation(112, 189, "bckg", 1.0, "")


def test_the_same_annotation_on_several_channels_is_one_event():
    assert [(e.onset_s, e.label) for e in tuh_file.read(TUSZ_CSV).events()] \
        == [(0, "bckg"), (36.8868, "sz_foc_ia"), (112, "bckg")]


@pytest.mark.parametrize("line, field, content", [
    (1, "channel", b""), (1, "channel", b"start_time,stop_time,label\n"),
    (1, "label", b"channel,start_time,stop_time,label,label\n"),
    (2, "duration", b"# version = csv_v1.0.0\n# duration = long\n"),
    (2, "row", b"channel,start_time,stop_time,label\nTERM,0,1\n"),
    (2, "start_time", b"channel,start_time,stop_time,label\nTERM,x,1,a\n"),
    (2, "stop_time", b"channel,start_time,stop_time,label\nTERM,2,1,a\n"),
    (2, "confidence", b"channel,start_time,stop_time,label,confidence\n"
     b"TERM,0,1,seiz,7\n")])
def test_malformed_csv_names_line_and_field(line, field, content):
    with pytest.raises(
            AuraError, match=f"syntax: line {line}: the field '{field}'"):
        tuh_file.read(content)


@pytest.mark.parametrize("head, one", [
    (TUSZ_CSV, True), (TUSZ_CSV[:30], True),
    (b"channel,start_time,stop_time,label\n", True),
    (b"beat_time_s\n1.0\n", False), (b"mean_hr,sdnn\n1,2\n", False),
    (b"", False), (b"\xff\xfe\x00", False)])
def test_the_header_decides_what_a_csv_is(head, one):
    assert tuh_file.is_one(head) is one


def test_cells_in_quotes_are_read_where_the_head_has_them():
    content = (b'"channel","start_time","stop_time","label"\r\n'
               b'"TERM","5","9","seiz"\r\n')
    assert tuh_file.is_one(content)
    assert tuh_file.read(content).rows == (Annotation(5, 4, "seiz"),)
    assert bids.read(b'"onset"\t"duration"\t"eventType"\n5\t4\t"sz"\n').rows \
        == (Annotation(5, 4, "sz"),)
    # Without, they are text.
    assert bids.read(b'onset\tduration\teventType\n5\t4\t"sz"\n').rows \
        == (Annotation(5, 4, '"sz"'),)


def test_a_table_with_semicolons_is_an_error():
    content = b"channel;start_time;stop_time;label\nTERM;5;9;seiz\n"
    assert tuh_file.is_one(content)
    with pytest.raises(AuraError, match="annotations.syntax: line 1"):
        tuh_file.read(content)


def test_times_of_szdb_name_their_records():
    content = b"sz01 00:14:36 00:16:12\nsz02 1:02:43 1:03:43\n" \
        b"sz02 02:55:51 02:56:16\n"
    document = szdb.read(content, "SZ02")
    assert [(row.onset_s, row.end_s) for row in document.rows] == [
        (3763, 3823), (10551, 10576)]
    assert szdb.read(content, "sz09") is None


@pytest.mark.parametrize("line", [
    b"sz01 00:14:36\n", b"sz01 14:36 16:12\n", b"sz01 0:61:00 0:62:00\n",
    b"sz01 00:16:12 00:14:36\n", b"sz01 876 972\n"])
def test_malformed_times_name_their_line(line):
    with pytest.raises(AuraError, match="syntax: line 2: "):
        szdb.read(b"# a comment\n" + line, "sz01")


def test_dates_count_from_the_first_row_without_a_start():
    content = (b"version = tse_v1.0.0\n\n"
               b"2021-03-02T10:20:30 2021-03-02T10:21:00 bckg 1.0\n"
               b"2021-03-02T10:21:00 2021-03-02T10:21:30 seiz 1.0\n")
    document = tse.read(content)
    assert [row.onset_s for row in document.rows] == [0, 30]
    assert document.start == datetime(2021, 3, 2, 10, 20, 30)
    assert document.start_is_first
    assert not tse.read(content, document.start).start_is_first


def test_other_columns_are_kept():
    content = (b"onset\tduration\teventType\tvigilance\tchannels\n"
               b"1.5\tn/a\tsz\tawake\tECG\n")
    assert bids.read(content).rows == (
        Annotation(1.5, None, "sz", None, "ECG", (("vigilance", "awake"),)),)


def test_a_missing_cell_does_not_lose_the_others_of_its_row():
    content = (b"onset\tduration\teventType\tside\tvigilance\n"
               b"1.00\t2.00\tsz\tleft\tn/a\n5.00\t2.00\tsz\tn/a\tawake\n")
    adapted, problems = adapt(bids.read(content), FORMATS["bids"])
    assert problems == ()
    lines = [line.split("\t")[:5] for line in
             bids.write(adapted).decode().splitlines()]
    assert lines == [line.split("\t") for line in
                     content.decode().splitlines()]


@pytest.mark.parametrize("name", sorted(CODES))
def test_codes_of_the_tuh_corpus_and_hed_translate_both_ways(name):
    assert code(hed(name.upper())) == name
    assert hed(code(CODES[name])) == CODES[name]
    assert label_of(hed(name)) == label_of(name)


@pytest.mark.parametrize("text, tuh, two", [
    ("sz_foc_ia_nm", "cpsz", "seiz"), ("sz_uo", "seiz", "seiz"),
    ("Seizure", "seiz", "seiz"), ("sz_foc_f2b", "fnsz", "seiz"),
    ("impd", "impd", None), ("lights off", "lights off", None),
    ("\u53d1\u4f5c", "\u53d1\u4f5c", None), ("szx", "szx", None),
    ("background", "bckg", "bckg")])
def test_a_type_without_a_code_gets_the_code_above(text, tuh, two):
    assert code(text) == tuh
    assert two_classes(text) == two


def test_each_kind_of_loss_is_counted():
    document = Annotations((
        Annotation(1.00001, None, "sz_foc_ia_nm", None, "ECG",
                   (("vigilance", "awake"),)),
        Annotation(20, 5, "lights off", 0.5)), 60.0, START)
    _, problems = adapt(document, FORMATS["tse_bi"])
    assert {p.rule: p.text.rpartition(": ")[2] for p in problems
            if p.rule != "convert.start"} == {
        "convert.left_out": "1", "convert.type": "1",
        "convert.rounded": "1", "convert.marks": "1",
        "convert.channels": "1", "convert.columns": "1",
        "convert.certain": "1"}
    assert "convert.start" in rules(problems)
    assert adapt(document, FORMATS["bids"])[1] == ()


def test_minus_zero_is_zero():
    document = bids.read(b"onset\tduration\teventType\trecordingDuration\n"
                         b"-0\t-0\tsz\t-0\n")
    adapted, _ = adapt(document, FORMATS["csv"])
    assert b"-" not in tuh_file.write(adapted)
    assert tuh_file.read(tuh_file.write(adapted)).duration_s == 0


def test_tse_labels_every_second():
    document = Annotations((Annotation(20, 5, "sz", 1.0),
                            Annotation(40, 5, "sz", 1.0)), 60.0)
    adapted, problems = adapt(document, FORMATS["tse_bi"])
    assert tse.write(adapted) == (
        b"version = tse_v1.0.0\n\n0.0000 20.0000 bckg 1.0000\n"
        b"20.0000 25.0000 seiz 1.0000\n25.0000 40.0000 bckg 1.0000\n"
        b"40.0000 45.0000 seiz 1.0000\n45.0000 60.0000 bckg 1.0000\n")
    assert problems == ()


def test_disjoint_seizures_are_written_with_background_between():
    assert tse.write_seizures((Event(10, 5), Event(40, 30)), 60) == (
        b"version = tse_v1.0.0\n\n0.0000 10.0000 bckg 1.0000\n"
        b"10.0000 15.0000 seiz 1.0000\n15.0000 40.0000 bckg 1.0000\n"
        b"40.0000 60.0000 seiz 1.0000\n")
    assert tse.write_seizures((), 17).splitlines()[2:] == [
        b"0.0000 17.0000 bckg 1.0000"]
    assert tse.write_seizures((Event(0, 9),), 9).splitlines()[2:] == [
        b"0.0000 9.0000 seiz 1.0000"]


def test_a_recording_without_seizures_is_background():
    adapted, _ = adapt(Annotations((), 60.0), FORMATS["csv_bi"])
    assert tuh_file.read(tuh_file.write(adapted)).rows == (
        Annotation(0, 60, "bckg", 1.0),)


times = st.one_of(
    st.integers(-5, 10 ** 6).map(float),
    st.floats(-5, 10 ** 6).map(lambda value: round(value, 4)),
    st.floats(-5, 10 ** 6))
texts = st.one_of(
    st.sampled_from([*CODES, *CODES.values(), "Seizure", "impd", "artf",
                     "lights off", "a,b", "sz_foc_ia_nm", "sz_uo", "\u53d1"]),
    st.text(max_size=12))
cells = st.text(st.characters(
    exclude_categories=("C", "Z")), min_size=1, max_size=8).filter(
        lambda text: text != "n/a" and "," not in text and text != "TERM")
annotations = st.builds(
    Annotation, times, st.none() | times.map(abs), texts,
    st.none() | st.floats(0, 1) | st.sampled_from([0.0, 0.5, 1.0]),
    st.just("") | cells,
    st.just(()) | cells.map(lambda cell: (("vigilance", cell),)))
documents = st.builds(
    Annotations, st.lists(annotations, max_size=6).map(tuple),
    st.none() | st.floats(1, 10 ** 6), st.none() | st.just(START))


def read_as(name, content):
    """Read a document by the file name of its format."""
    return annotation_files.read("r" + FORMATS[name].ending, content, "r")


@pytest.mark.parametrize("name", [
    name for name, made in FORMATS.items() if made.write])
@settings(max_examples=60)
@given(document=documents)
# A sum of onset and length is not always the end that is written.
@example(document=Annotations(
    (Annotation(65536.9578, 262144.0859, "seiz"),), 327682.0))
def test_adapted_documents_are_unchanged_when_read_again(name, document):
    adapted, problems = adapt(document, FORMATS[name])
    found = read_as(name, FORMATS[name].write(adapted))
    assert [replace(row, more=()) for row in found.rows] \
        == [replace(row, more=()) for row in adapted.rows]
    if FORMATS[name].length and adapted.rows:
        assert found.duration_s == adapted.duration_s
    # Without a line there is no loss, but for background that was added.
    if "convert.left_out" not in rules(problems):
        kept = [row for row in found.rows if row.label != "bckg"]
        given_ = [row for row in document.rows if row.label != "bckg"]
        assert len(kept) == len(given_)
    if not problems:
        # Where there is no line, four decimals are all that there are.
        ours, theirs = (sorted(
            (row for row in rows if row.label != "bckg"), key=lambda row: (
                round(row.onset_s, 4), round(row.end_s, 4), row.channels)
            if FORMATS[name].covers else 0) for rows in (document.rows, kept))
        for one, other in zip(ours, theirs, strict=True):
            assert other.onset_s == pytest.approx(one.onset_s, abs=1e-6)
            assert other.end_s == pytest.approx(one.end_s, abs=2e-6)
            assert other.label == one.label
            assert (other.duration_s is None) == (one.duration_s is None)
            assert other.confidence == pytest.approx(one.confidence)
            assert other.channels == one.channels
            assert one.more == tuple(
                cell for cell in other.more if cell[1] != "n/a")


@settings(max_examples=60)
@given(document=documents)
def test_a_conversion_by_way_of_bids_loses_nothing_more(document):
    straight, _ = adapt(document, FORMATS["csv"])
    around, _ = adapt(read_as("bids", bids.write(
        adapt(document, FORMATS["bids"])[0])), FORMATS["csv"])
    if not document.rows or document.duration_s is None:
        return
    if all(hed(row.text) == row.text for row in document.rows):
        assert [row.text for row in straight.rows if row.label != "bckg"] \
            == [row.text for row in around.rows if row.label != "bckg"]


def rows_of(name, count):
    """A file of many seizures in one format."""
    spans = [(i * 0.5, i * 0.5 + 0.25) for i in range(count)]
    lines = {
        "r.tse_bi": ["version = tse_v1.0.0", *(
            f"{a:.4f} {b:.4f} seiz 1.0" for a, b in spans)],
        "r_events.tsv": ["onset\tduration\teventType", *(
            f"{a}\t{b - a}\tsz" for a, b in spans)],
        "r.csv_bi": ["channel,start_time,stop_time,label", *(
            f"TERM,{a},{b},seiz" for a, b in spans)],
        "times.seize": [
            f"r {int(a) // 3600:02d}:{int(a) // 60 % 60:02d}:{a % 60:06.3f} "
            f"{int(b) // 3600:02d}:{int(b) // 60 % 60:02d}:{b % 60:06.3f}"
            for a, b in spans]}
    return "\n".join(lines[name]).encode()


@pytest.mark.parametrize("name", [
    "r.tse_bi", "r_events.tsv", "r.csv_bi", "times.seize"])
def test_ten_times_the_annotations_are_ten_times_the_work(name):
    def work(count):
        content = rows_of(name, count)

        def read():
            document = annotation_files.read(name, content, "r")
            seizures, problems = disjoint_seizures(document.events(), 60_000)
            assert (len(seizures), problems) == (count, ())
            for to in FORMATS.values():
                adapt(document, to)

        return lines_run(read)

    work(10)
    assert work(1000) < 10.1 * work(100)


_TIMES = st.decimals(0, 10**6, places=4).map(str)
_ROWS = st.lists(st.tuples(
    _TIMES, _TIMES, st.sampled_from(sorted(CODES)),
    st.decimals(0, 1, places=2).map(str)), min_size=1, max_size=20)


@given(_ROWS)
@settings(max_examples=100, deadline=None)
def test_events_of_bids_are_those_that_pyarrow_reads(rows):
    content = "\n".join(["onset\tduration\teventType\tconfidence", *(
        "\t".join(row) for row in rows), ""]).encode()
    table = pyarrow.csv.read_csv(
        io.BytesIO(content),
        parse_options=pyarrow.csv.ParseOptions(delimiter="\t")).to_pylist()
    assert [(row.onset_s, row.duration_s or 0, row.text, row.confidence)
            for row in bids.read(content).rows] == [
                tuple(row.values()) for row in table]


@given(_ROWS)
@settings(max_examples=100, deadline=None)
def test_rows_of_csv_bi_and_tse_are_those_of_a_plain_reader(rows):
    spans = [(onset, str(Decimal(onset) + Decimal(length)), label, sure)
             for onset, length, label, sure in rows]
    table = "\n".join(["channel,start_time,stop_time,label,confidence", *(
        f"TERM,{','.join(row)}" for row in spans), ""])
    plain = "\n".join(["version = tse_v1.0.0", "", *map(" ".join, spans), ""])
    expected = [(float(row["start_time"]), float(row["stop_time"]),
                 row["label"], float(row["confidence"]))
                for row in csv.DictReader(io.StringIO(table))]
    for document in (tuh_file.read(table.encode()), tse.read(plain.encode())):
        assert [row.text for row in document.rows] == [
            one[2] for one in expected]
        assert [(row.onset_s, row.end_s, row.confidence)
                for row in document.rows] == [
                    pytest.approx((*one[:2], one[3])) for one in expected]
