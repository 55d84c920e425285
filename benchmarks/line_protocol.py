"""
Points per CPU second as line protocol, beside influxdb-client's Points.

Both get the same rows; the lines are compared. They take turns in one
process, so that only their ratio is meaningful. The exporter sends its
requests with influxdb-client, but not its Points.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from aura.influx.lineprotocol import encode

START_NS = 1_577_836_800 * 10 ** 9
TAGS = {"patient": "p-0123456789", "recording": "r-0123456789"}
ROUNDS = 7
ROWS = 20_000
COMPARED = 500

Columns = dict[str, np.ndarray]


def cases() -> dict[str, tuple[int, Callable[[int], Columns]]]:
    """Name, step in nanoseconds and columns of what is written."""
    rng = np.random.default_rng(1)

    def samples(count: int) -> np.ndarray:
        return np.round(rng.normal(size=count) * 3000) * (10 / 65535)

    def features(count: int) -> Columns:
        return {f"feature_{number}": rng.normal(size=count)
                for number in range(27)}

    return {
        "waveform, 1 field": (3_906_250, lambda n: {"ecg_mv": samples(n)}),
        "rollup, 2 fields": (62_500_000, lambda n: {
            "min_mv": samples(n), "max_mv": samples(n)}),
        "features, 27 of float32": (10 ** 9, lambda n: {
            name: column.astype(np.float32)
            for name, column in features(n).items()}),
        "features, 27 of full precision": (10 ** 9, features),
    }


def ours(times: np.ndarray, columns: Columns) -> list[bytes]:
    """Pieces of lines, as the exporter gets them."""
    return list(encode("signal", TAGS, times, columns))


def theirs(times: list[int], rows: list[tuple[float, ...]],
           names: list[str]) -> list[str]:
    """The same lines by influxdb-client."""
    from influxdb_client import Point

    lines = []
    for nanoseconds, row in zip(times, rows):
        point = Point("signal")
        for name, value in TAGS.items():
            point.tag(name, value)
        for name, value in zip(names, row):
            point.field(name, value)
        lines.append(point.time(nanoseconds).to_line_protocol())
    return lines


def as_python(columns: Columns) -> list[tuple[float, ...]]:
    """Rows of floats that Python writes as short as their precision is."""
    return list(zip(*([float(str(value)) for value in column]
                      for column in columns.values())))


def point(line: str) -> tuple[str, dict[str, float], str]:
    """Measurement with tags, values by their names, and time of a line."""
    head, fields, when = line.split()
    return head, {name: float(value) for name, value in (
        field.split("=") for field in fields.split(","))}, when


def seconds(*works: Callable[[], Any]) -> list[float]:
    """Smallest CPU time of each in rounds in which they take turns."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(ROUNDS):
        for spent, work in zip(times, works):
            start = time.process_time()
            work()
            spent.append(time.process_time() - start)
    return [min(spent) for spent in times]


def main() -> None:
    """Print one row per case."""
    try:
        from influxdb_client import __version__ as version
    except ImportError:
        print("influxdb-client is not installed: nothing to compare with")
        return
    print(f"thousand points per CPU second: aura, influxdb-client {version}, "
          "ratio")
    for name, (step, make) in cases().items():
        columns = make(ROWS)
        times = START_NS + step * np.arange(ROWS)
        given = times.tolist(), as_python(columns), [*columns]
        text = b"".join(ours(times, columns)).decode("ascii")
        assert list(map(point, text.splitlines()[:COMPARED])) == list(map(
            point, theirs(*given)[:COMPARED]))
        spent = seconds(lambda: ours(times, columns),
                        lambda: theirs(*given))
        rates = "  ".join(f"{ROWS / 1000 / one:8.0f}" for one in spent)
        print(f"{name:32s} {rates}  {spent[1] / spent[0]:6.1f}", flush=True)


if __name__ == "__main__":
    main()
