"""
Mutated files and files with boundary values.

`AURA_FUZZ` is the number of mutated recordings, and a tenth of it (500 or
more) the number of generated and mutated annotations and beats. A soak run
sets it to a million.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from aura.edf.header import read_header
from aura.edf.signal import EcgSignal
from aura.edf.tal import read_timeline
from aura.errors import AuraError
from tests.edf_builder import Channel, File, heart

ROOT = Path(__file__).parents[2]
COUNT = int(os.environ.get("AURA_FUZZ", "1000"))
CHILD_INPUTS = 20_000


@pytest.mark.parametrize("child, inputs", [
    ("tests.fuzz_child", COUNT),
    ("tests.format_fuzz_child", max(COUNT // 10, 500))])
def test_inputs_never_kill_the_reader(tmp_path, child, inputs):
    for seed, first in enumerate(range(0, inputs, CHILD_INPUTS)):
        count = min(CHILD_INPUTS, inputs - first)
        run = subprocess.run(
            [sys.executable, "-m", child, str(seed), str(count),
             str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
        assert run.returncode == 0, (
            f"seed {seed}, input in {tmp_path}: {run.returncode}\n"
            f"{run.stderr[-2000:]}")
        assert run.stdout == f"checked {count}\n"


integers = st.sampled_from([
    "0", "-1", "1", "2", "256", "32767", "-32768", "32768", "65536",
    "8388607", "8388608", "16777216", "21474836", "42949672", "89478485",
    "99999999", "-9999999", "1e9", "nan", "", "1_0", "+5"])
numbers = st.sampled_from([
    "0", "-1", "1", "0.5", ".001", "1.", "100000", "99999999", "1E0", "nan",
    "inf", "-inf", "1,0", "", "-0", "+1"])
rare = st.integers(0, 9).map(lambda value: value == 0)


@st.composite
def files(draw):
    """Files with numbers that are known to break readers."""
    def odd(right, strategy):
        return draw(strategy) if draw(rare) else right

    records = draw(st.integers(1, 3))
    channels = tuple(
        Channel(
            draw(st.sampled_from(["ECG", "EEG", "EDF Annotations", ""])),
            physical=(odd("-5", numbers), odd("5", numbers)),
            range=(odd("-32768", integers), odd("32767", integers)),
            samples=odd(None, integers), digital=heart(records, 64))
        for _ in range(draw(st.integers(1, 30))))
    return File(
        channels, reserved=draw(st.sampled_from(["", "EDF+C", "EDF+D"])),
        records=odd(None, integers), duration=odd("1", numbers),
        count=odd(None, integers.map(lambda text: text[:4])),
        header_bytes=odd(None, integers))


@settings(max_examples=max(100, COUNT // 10), deadline=None)
@given(files())
def test_accepted_files_are_as_their_header_says(tmp_path_factory, file):
    path = tmp_path_factory.mktemp("fuzz") / "r.edf"
    path.write_bytes(file.bytes())
    with path.open("rb") as stream:
        try:
            header = read_header(stream)
            read_timeline(stream, header)
        except AuraError as error:
            assert error.rule.startswith("edf.")
            return
        assert header.record_count >= 1
        assert path.stat().st_size >= (
            header.header_bytes + header.record_count * header.record_bytes)
        assert 0 < header.record_bytes <= 16 * 2**20
        assert 1 <= len(header.signals) <= 512
        for index, signal in enumerate(header.signals):
            if signal.fault is None:
                opened = EcgSignal(stream, header, index)
                assert 0 < opened.fs_hz <= 20_000
                samples = opened.read(0, opened.sample_count)
                low, high = signal.digital
                assert -32768 <= low < high <= 32767
                assert np.all(np.isfinite(samples))
