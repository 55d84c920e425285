"""
Points per CPU second as line protocol, beside influxdb-client's Points.

Both encode the same values in one process; only the ratio means something.
The client carries the exporter's requests, never its points.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from aura.influx.lineprotocol import encode

START_NS = 1_577_836_800 * 10 ** 9
TAGS = {"patient": "p-0123456789", "recording": "r-0123456789"}
ROUNDS = 5


def seconds(work: Callable[[], Any]) -> float:
    """Smallest CPU time of some rounds."""
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def client_lines(times: np.ndarray, fields: dict[str, np.ndarray]) -> str:
    """The same lines by influxdb-client."""
    from influxdb_client import Point

    lines = []
    rows = zip(*(column.tolist() for column in fields.values()))
    for nanoseconds, row in zip(times.tolist(), rows):
        point = Point("signal")
        for name, value in TAGS.items():
            point.tag(name, value)
        for name, value in zip(fields, row):
            point.field(name, value)
        lines.append(point.time(nanoseconds).to_line_protocol())
    return "\n".join(lines)


def cases() -> dict[str, tuple[int, Callable[[int], dict[str, np.ndarray]]]]:
    """Name, step in nanoseconds and columns of what is written."""
    rng = np.random.default_rng(1)

    def samples(count: int) -> np.ndarray:
        return np.round(rng.normal(size=count) * 3000) * (10 / 65535)

    def features(count: int) -> dict[str, np.ndarray]:
        return {f"feature_{number}": rng.normal(size=count)
                for number in range(27)}

    return {
        "waveform, 1 field": (3_906_250, lambda n: {"ecg_mv": samples(n)}),
        "rollup, 2 fields": (62_500_000, lambda n: {
            "min_mv": samples(n), "max_mv": samples(n)}),
        "features, 27 fields": (10 ** 9, features),
        "features, 27 fields of float32": (10 ** 9, lambda n: {
            name: column.astype(np.float32)
            for name, column in features(n).items()}),
    }


def main() -> None:
    """Print one row per case."""
    try:
        import influxdb_client
        peer = f"influxdb-client {influxdb_client.__version__}"
    except ImportError:
        peer = "influxdb-client (not installed)"
    print(f"thousand points per CPU second: aura, {peer}, ratio")
    for name, (step, columns) in cases().items():
        rates = []
        many, few = 200_000, 5_000
        for count, work in ((many, encode_all), (few, client_lines)):
            if work is client_lines and "not installed" in peer:
                continue
            fields = columns(count)
            times = START_NS + step * np.arange(count)
            rates.append(count / 1000 / seconds(
                lambda: work(times, fields)))
        text = "  ".join(f"{rate:8.0f}" for rate in rates)
        ratio = f"{rates[0] / rates[1]:6.1f}" if len(rates) == 2 else ""
        print(f"{name:32s} {text}  {ratio}")


def encode_all(times: np.ndarray, fields: dict[str, np.ndarray]) -> bytes:
    """The lines by this project."""
    return encode("signal", TAGS, times, fields)


if __name__ == "__main__":
    main()
