"""Annotation files of WFDB, against WFDB's own library."""

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from aura.annotations import wfdb as wfdb_file
from aura.errors import AuraError

with warnings.catch_warnings():
    # pandas 3 warns of what wfdb 4.3 does when it is imported.
    warnings.simplefilter("ignore")
    import wfdb

SYMBOLS = "NLRaVFJASEj/Qn?![]x()ptu`'^|~+s@TD=\""


@pytest.fixture
def written(tmp_path):
    """Write annotations with WFDB's library and read them with it."""
    def write(samples, symbols, notes=None, fs=None):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wfdb.wrann("r", "atr", np.array(samples), symbol=symbols,
                       aux_note=notes, fs=fs, write_dir=str(tmp_path))
            read = wfdb.rdann(str(tmp_path / "r"), "atr")
        return (tmp_path / "r.atr").read_bytes(), read
    return write


def word(code, count):
    return (code << 10 | count).to_bytes(2, "little")


def test_seizures_as_chb_mit_has_them(written):
    content, _ = written([2996 * 256, 3036 * 256], ["[", "]"], fs=256)
    document = wfdb_file.read(content)
    assert [(r.onset_s, r.end_s, r.label) for r in document.rows] == [
        (2996, 3036, "sz")]


def test_the_recording_gives_the_rate_if_the_file_does_not(written):
    content, _ = written([512, 1024], ["[", "]"])
    assert wfdb_file.read(content, 256.0).rows[0].onset_s == 2
    with pytest.raises(AuraError, match="wfdb: .*time resolution"):
        wfdb_file.read(content)


def test_rhythms_and_notes_are_read_and_beats_are_not(written):
    content, _ = written(
        [100, 200, 300, 400, 900], ["N", "+", '"', "+", "V"],
        ["", "(SZ", "coughs", "(N", ""], fs=100)
    assert [(r.onset_s, r.duration_s, r.text, r.label)
            for r in wfdb_file.read(content).rows] == [
        (2, 2, "SZ", "sz"), (3, None, "coughs", "other")]


@pytest.mark.parametrize("content, text", [
    (b"", "ends before"), (b"\x01", "ends before"),
    (word(32, 5), "ends before"), (word(59, 0) + b"\0\0", "ends before"),
    (word(63, 4) + b"text" + bytes(2), "no annotation"),
    (word(1, 5) + word(63, 99) + b"cut", "cut off"),
    (word(33, 5) + bytes(2), "without a beginning"),
    (word(32, 5) + word(32, 5) + bytes(2), "begins twice"),
    (word(32, 5) + bytes(2), "without an end"),
    (word(59, 0) + b"\xff\xff\x00\x00" + word(1, 0) + bytes(2),
     "back in time"),
    (word(32, 9) + word(59, 0) + b"\xff\xff\xfb\xff" + word(33, 0)
     + bytes(2), "back in time")])
def test_malformed_files_are_errors(content, text):
    with pytest.raises(AuraError, match=f"annotations.wfdb: .*{text}"):
        wfdb_file.read(content, 100.0)


marks_of = st.lists(st.tuples(
    st.integers(0, 5000) | st.integers(0, 2 ** 20),
    st.sampled_from(SYMBOLS),
    st.text(st.characters(min_codepoint=33, max_codepoint=126),
            max_size=40)), min_size=1, max_size=30)


@settings(max_examples=25,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given_=marks_of, fs=st.sampled_from([None, 128, 250.0, 360]))
def test_marks_agree_with_wfdb(written, given_, fs):
    samples = np.cumsum([step + 1 for step, _, _ in given_])
    content, read = written(
        samples, [symbol for _, symbol, _ in given_],
        [note for _, _, note in given_], fs)
    found, rate = wfdb_file.marks(content)
    assert rate == (None if fs is None else fs)
    assert [mark.sample for mark in found] == list(read.sample)
    assert [mark.text for mark in found] == list(read.aux_note)
    labels = dict(zip(
        wfdb.io.annotation.ann_label_table["symbol"],
        wfdb.io.annotation.ann_label_table["label_store"], strict=True))
    assert [mark.code for mark in found] == [
        labels[symbol] for symbol in read.symbol]
