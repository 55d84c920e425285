"""
Feed mutated recordings to the reader, in a process that may crash.

``python -m tests.fuzz_child SEED COUNT FOLDER``: memory is limited to 512 MiB
above the imports, and each input to 5 s. The last input stays in FOLDER, so
that an input that crashes the process can be examined.
"""

import random
import resource
import signal
import sys
from pathlib import Path

from aura.dataset import assemble, find
from aura.folder import Folder
from aura.recording import Recording
from tests.odd_recordings import corpus

MEMORY_BYTES = 512 * 2**20
INPUT_S = 5
SEED_BYTES_MAX = 100_000
BOUNDARIES = [
    str(value).encode() for value in (
        0, -1, 1, 2, 255, 256, 512, 513, 768, 9999, 20_000, 20_001, -32768,
        32767, 32768, 65536, 8388608, 16777216, 99999999, "1E0", "1e9",
        "nan", "inf", "-inf", "0.001", "1,0", ".", "", "EDF+C", "EDF+D",
        "BDF+C", "24BIT", "30.02.21", "99.99.99", "ECG", "EDF Anno")]
STARTS = [0, 8, 88, 168, 176, 184, 192, 236, 244, 252]


def mutate(content: bytes, rng: random.Random) -> bytes:
    """Change one to four things in a recording."""
    raw = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        size = max(len(raw), 1)
        header = min(size, 1024)
        kind = rng.randrange(6)
        if kind == 0:
            at = rng.randrange(header if rng.random() < 0.7 else size)
            raw[at:at + 1] = bytes([rng.randrange(256)])
        elif kind == 1:
            value = rng.choice(BOUNDARIES).ljust(8)
            at = rng.choice(STARTS) if rng.random() < 0.5 else \
                rng.randrange(0, header, 8)
            raw[at:at + 8] = value[:4] if at == 252 else value[:8]
        elif kind == 2:
            del raw[rng.randrange(size):]
        elif kind == 3:
            at = rng.randrange(size)
            del raw[at:at + rng.randint(1, 600)]
        elif kind == 4:
            at = rng.randrange(size)
            raw[at:at] = rng.randbytes(rng.randint(1, 600))
        else:
            at, to = rng.randrange(size), rng.randrange(size)
            raw[to:to + 64] = raw[at:at + 64]
    return bytes(raw)


def check(folder: Folder) -> None:
    """Check the one input, and read all of it if it is accepted."""
    (candidate,) = find.recordings(folder)
    outcome = assemble.recording(folder, candidate)
    assert all(p.text.isprintable() for p in outcome.problems)
    if not isinstance(outcome, Recording):
        assert [p.level for p in outcome.problems] == ["error"]
        return
    assert {p.level for p in outcome.problems} <= {"warning"}
    with assemble.open_signal(folder, outcome) as opened:
        count = min(opened.sample_count, 10**6)
        samples = opened.read(opened.sample_count - count,
                              opened.sample_count)
    assert len(samples) == count
    assert all(0 <= event.onset_s <= event.end_s <= outcome.duration_s + 1e-6
               for event in outcome.events)


def main(seed: int, count: int, place: Path) -> None:
    """Check `count` mutated recordings."""
    rng = random.Random(seed)
    seeds = [case.content for case in corpus()
             if len(case.content) <= SEED_BYTES_MAX]
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    folder = Folder(place)
    for _ in range(count):
        (place / "input.edf").write_bytes(mutate(rng.choice(seeds), rng))
        signal.alarm(INPUT_S)
        check(folder)
        signal.alarm(0)
    print(f"checked {count}")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
