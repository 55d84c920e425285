"""
CPU seconds to read a hundred thousand annotated seizures, format by format.

The text formats are read into disjoint seizures; EDF+ is read beside pyedflib
and edfio.
"""

import tempfile
from datetime import datetime
from pathlib import Path

import edfio
import numpy as np
import pyedflib

from aura.annotations.annotation import (
    Annotation,
    Annotations,
    disjoint_seizures,
)
from aura.annotations.formats import FORMATS, adapt
from aura.dataset import annotation_files
from aura.edf import write
from aura.edf.header import read_header
from aura.edf.tal import read_timeline
from benchmarks.end_to_end import seconds

COUNT = 100_000
DURATION_S = COUNT / 2


def main() -> None:
    """Print a row per format."""
    rows = [(i / 2, 0.25, "seiz") for i in range(COUNT)]
    document = Annotations(
        tuple(Annotation(*row) for row in rows), DURATION_S)
    for name, made in FORMATS.items():
        if made.write is None:
            continue
        content = made.write(adapt(document, made)[0])

        def read() -> None:
            found = annotation_files.read(f"r{made.ending}", content, "r")
            assert found is not None
            seizures, _ = disjoint_seizures(found.events(), DURATION_S)
            assert len(seizures) == COUNT

        print(f"{name:10s} {seconds(read):8.2f}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        edf_plus(Path(folder) / "r.edf", rows)


def edf_plus(path: Path, rows: list[tuple[float, float, str]]) -> None:
    """Print the times for annotations inside EDF+."""
    start = datetime(2000, 1, 1)
    main = write.Main("EDF+C", start, "X X X X",
                      write.startdate(start, "X X X"), COUNT // 2, "1")
    signal = write.signal_fields("ECG", "mV", ("-5", "5"), (-100, 100), 1)
    samples = np.zeros((main.record_count, 1), np.int32)
    with path.open("wb") as stream:
        write.samples(stream, main, [signal], [samples], rows)

    def ours() -> None:
        with path.open("rb") as stream:
            assert len(read_timeline(
                stream, read_header(stream)).annotations) == COUNT

    def with_pyedflib() -> None:
        with pyedflib.EdfReader(str(path)) as reader:
            assert len(reader.readAnnotations()[0]) == COUNT

    def with_edfio() -> None:
        assert len(edfio.read_edf(path).annotations) == COUNT

    for name, read in (("edf", ours), ("  pyedflib", with_pyedflib),
                       ("  edfio", with_edfio)):
        print(f"{name:10s} {seconds(read):8.2f}", flush=True)


if __name__ == "__main__":
    main()
