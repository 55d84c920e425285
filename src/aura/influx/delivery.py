"""
Files of line protocol to a server: every point accounted for.

A file is sent chunk by chunk. A *ledger* beside it notes how far the server
has acknowledged, so that a delivery that was killed goes on where it was.
What is sent twice after a kill is the same points, which changes nothing.
"""

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, BinaryIO

from urllib3.util.retry import Retry

from aura.errors import MissingError, PreconditionError, UnavailableError
from aura.folder import Folder
from aura.influx import chunks
from aura.influx.chunks import Chunk
from aura.influx.earlier import Earlier
from aura.influx.store import Answer, Store

# More than this many refused points are no odd lines: something is wrong.
MOST_REJECTED = 1000
NAMED = 20
SAVED_EVERY_S = 1.0
# A comma in a label has a backslash before it.
_RECORDING = re.compile(r"(?<!\\),recording=([\w-]+)")
BACKOFF = Retry(total=None, backoff_factor=0.5, backoff_max=30,
                backoff_jitter=0.5)


@dataclass(frozen=True)
class Ledger:
    """How far a file is delivered to one target."""

    digest: str  # SHA-256 of the file; of another file nothing is known
    offset: int = 0  # Where to go on in the file
    # Points up to there that the server has stored, or refuses for good.
    acknowledged: int = 0
    rejected: int = 0
    # The first refused points: measurement, recording, time and why.
    named: tuple[str, ...] = ()
    done: bool = False  # Whether that is all of the file
    kept: str = ""  # Why the store has kept earlier results


class Delivery:
    """Sends files to one server."""

    def __init__(self, server: Store, target: str, patience_s: float, *,
                 sleep: Callable[[float], None] = time.sleep,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._server = server
        self.target = target
        self._patience_s = patience_s
        self._sleep = sleep
        self._clock = clock

    def send(self, folder: Folder, path: str, again: bool = False,
             earlier: Iterable[Earlier] = ()) -> Ledger:
        """Deliver a file, or what an earlier delivery has left of it."""
        known = self.ledger(folder, path)
        if known.done and not again:
            return known
        if known.done:
            known = Ledger(known.digest)
        saved = self._clock()
        with folder.open(path) as stream:
            try:
                # Later a repeat would not send again what it deletes.
                if not known.offset:
                    known = replace(known, kept=self._clear(earlier))
                for chunk in chunks.read(stream, known.offset):
                    known = self._chunk(chunk, known)
                    if self._clock() - saved > SAVED_EVERY_S:
                        self._save(folder, path, known)
                        saved = self._clock()
                known = replace(known, done=True)
            finally:
                self._save(folder, path, known)
        return known

    def ledger(self, folder: Folder, path: str) -> Ledger:
        """What is known of a file as it is now."""
        with folder.open(path) as stream:
            digest = _digest(stream)
        try:
            entry: dict[str, Any] = _ledgers(folder, path)[self.target]
            known = Ledger(**{**entry, "named": tuple(entry["named"])})
        except (KeyError, TypeError):
            return Ledger(digest)
        return known if known.digest == digest else Ledger(digest)

    def _save(self, folder: Folder, path: str, known: Ledger) -> None:
        content = {**_ledgers(folder, path), self.target: asdict(known)}
        folder.write(_beside(path), (json.dumps(
            content, indent=1, sort_keys=True) + "\n").encode("ascii"))

    def _clear(self, earlier: Iterable[Earlier]) -> str:
        """Have the store delete what the file replaces, or say why not."""
        for one in earlier:
            answer = self._patiently(lambda: self._server.delete(one))
            if answer.what != "done":
                return answer.text
        return ""

    def _chunk(self, chunk: Chunk, known: Ledger) -> Ledger:
        """Deliver a chunk; each of its lines ends up stored or refused."""
        acknowledged, refused, waiting = 0, list[str](), [chunk]
        while waiting:
            part = waiting.pop()
            answer = self._patiently(
                lambda: self._server.write(part.packed))
            if answer.what == "done":
                acknowledged += part.lines
            elif part.lines > 1:
                waiting += reversed(part.halves())
            else:
                refused.append(f"{_name(part.text)}: {answer.text}")
                if known.rejected + len(refused) > MOST_REJECTED:
                    raise _too_many(refused[0])
        sent = chunk.lines
        assert sent == acknowledged + len(refused), "a point is unaccounted"
        return replace(
            known, offset=chunk.end,
            acknowledged=known.acknowledged + acknowledged,
            rejected=known.rejected + len(refused),
            named=(*known.named, *refused)[:NAMED])

    def _patiently(self, request: Callable[[], Answer]) -> Answer:
        """Ask until the server says yes or no."""
        attempts, begin = BACKOFF, self._clock()
        while True:
            answer = request()
            if answer.what != "again":
                return answer
            attempts = attempts.increment("POST", "/api/v2/write")
            wait_s = answer.wait_s
            if wait_s is None:
                wait_s = attempts.get_backoff_time()
            if self._clock() + wait_s - begin >= self._patience_s:
                raise UnavailableError(
                    "influx.away", f"the InfluxDB server is away: "
                    f"{answer.text}", "export again when it is back; what it "
                    "has stored is not sent again")
            self._sleep(wait_s)


def _digest(stream: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := stream.read(2 ** 20):
        digest.update(block)
    return digest.hexdigest()


def _beside(path: str) -> str:
    return path.removesuffix(".lp.gz") + ".ledger.json"


def _ledgers(folder: Folder, path: str) -> dict[str, Any]:
    try:
        content = json.loads(folder.read(_beside(path)))
    except (MissingError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _name(line: bytes) -> str:
    """Measurement, recording and time of a line; neither fields nor text."""
    text = line.decode("utf-8", "replace").rstrip()
    recording = _RECORDING.search(text)
    return (f"{text.partition(',')[0]} {recording[1] if recording else '?'} "
            f"{text.rpartition(' ')[2]}")[:120]


def _too_many(first: str) -> PreconditionError:
    return PreconditionError(
        "influx.rejected", f"the server refuses more than {MOST_REJECTED} "
        f"points, the first being {first}",
        "it may hold other data under the same names: use a bucket that "
        "nothing else writes to")
