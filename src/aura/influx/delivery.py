"""Delivery of line protocol files to a store; every point is accounted for."""

import hashlib
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Annotated, Any

from msgspec import Meta
from urllib3.util.retry import Retry

from aura import state
from aura.errors import CorruptDataError, MissingError
from aura.folder import Folder
from aura.influx import chunks
from aura.influx.chunks import Chunk
from aura.influx.store import Answer, Selection, Store

# If more points are rejected, the cause is not a few odd lines.
MOST_REJECTED = 1000
NAMED = 20
SAVED_EVERY_S = 1.0
# A comma inside a tag has a backslash before it.
_RECORDING = re.compile(r"(?<!\\),recording=([\w-]+)")
BACKOFF = Retry(total=None, backoff_factor=0.5, backoff_max=30,
                backoff_jitter=0.5)


_Count = Annotated[int, Meta(ge=0)]


@dataclass(frozen=True)
class Ledger:
    """How much of a file is delivered to one target."""

    digest: str  # SHA-256 of the file; another file starts from the beginning
    offset: _Count = 0  # Where to continue in the file
    # Points before the offset that the store has stored, or refused for good.
    acknowledged: _Count = 0
    rejected: _Count = 0
    named: tuple[str, ...] = ()  # Measurement, recording, time, reason
    done: bool = False  # Whether the whole file is delivered
    kept: str = ""  # Why the store has kept earlier results


class Delivery:
    def __init__(self, store: Store, target: str, patience_s: float, *,
                 sleep: Callable[[float], None] = time.sleep,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self.target = target
        self._patience_s = patience_s
        self._sleep = sleep
        self._clock = clock

    def send(self, folder: Folder, path: str, again: bool = False,
             replaced: Iterable[Selection] = ()) -> Ledger:
        """Deliver a file, or the rest of it if a delivery was interrupted."""
        ledger = self.ledger(folder, path)
        if ledger.done and not again:
            return ledger
        if ledger.done:
            ledger = Ledger(ledger.digest)
        saved = self._clock()
        with folder.open(path) as stream:
            try:
                # Later, deleting would lose points that are not sent again.
                if not ledger.offset:
                    ledger = replace(ledger, kept=self._delete(replaced))
                for chunk in chunks.read(stream, ledger.offset):
                    ledger = self._write(chunk, ledger)
                    if self._clock() - saved > SAVED_EVERY_S:
                        self._save(folder, path, ledger)
                        saved = self._clock()
                ledger = replace(ledger, done=True)
            finally:
                self._save(folder, path, ledger)
        return ledger

    def ledger(self, folder: Folder, path: str) -> Ledger:
        """The ledger of a file; an empty one if the file has changed."""
        opened: Any = folder.open(path)  # BinaryIO has no readinto
        with opened as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        ledger = _ledgers(folder, path).get(self.target)
        return ledger if ledger and ledger.digest == digest else Ledger(digest)

    def _save(self, folder: Folder, path: str, ledger: Ledger) -> None:
        state.write(folder, _ledger_path(path), {
            **_ledgers(folder, path), self.target: ledger}, indent=1)

    def _delete(self, replaced: Iterable[Selection]) -> str:
        """Delete the points that the file replaces, or return why not."""
        for selection in replaced:
            answer = self._patiently(lambda: self._store.delete(selection))
            if answer.outcome != "done":
                return answer.text
        return ""

    def _write(self, chunk: Chunk, ledger: Ledger) -> Ledger:
        """Deliver a chunk: each of its lines is stored or rejected."""
        acknowledged, rejected, waiting = 0, list[str](), [chunk]
        while waiting:
            part = waiting.pop()
            answer = self._patiently(lambda: self._store.write(part.packed))
            if answer.outcome == "done":
                acknowledged += part.lines
            elif part.lines > 1:
                waiting += reversed(part.halves())
            else:
                rejected.append(f"{_name(part.text)}: {answer.text}")
                if ledger.rejected + len(rejected) > MOST_REJECTED:
                    raise state.error(
                        "influx.rejected", most=MOST_REJECTED,
                        first=rejected[0])
        assert chunk.lines == acknowledged + len(rejected), "a point is lost"
        return replace(ledger, offset=chunk.end,
                       acknowledged=ledger.acknowledged + acknowledged,
                       rejected=ledger.rejected + len(rejected),
                       named=(*ledger.named, *rejected)[:NAMED])

    def _patiently(self, request: Callable[[], Answer]) -> Answer:
        """Repeat a request until it is answered or patience ends."""
        attempts, begin = BACKOFF, self._clock()
        while True:
            answer = request()
            if answer.outcome != "retry":
                return answer
            attempts = attempts.increment("POST", "/api/v2/write")
            wait_s = answer.wait_s
            if wait_s is None:
                wait_s = attempts.get_backoff_time()
            if self._clock() + wait_s - begin >= self._patience_s:
                raise state.error("influx.away", why=answer.text)
            self._sleep(wait_s)


def _ledger_path(path: str) -> str:
    return path.removesuffix(".lp.gz") + ".ledger.json"


def _ledgers(folder: Folder, path: str) -> dict[str, Ledger]:
    try:
        return state.read(folder, _ledger_path(path), dict[str, Ledger],
                          "influx.ledger", "export again")
    # Points that are sent twice change nothing.
    except (MissingError, CorruptDataError):
        return {}


def _name(line: bytes) -> str:
    """Measurement, recording and time of a line, without its values."""
    text = line.decode("utf-8", "replace").rstrip()
    recording = _RECORDING.search(text)
    return (f"{text.partition(',')[0]} {recording[1] if recording else '?'} "
            f"{text.rpartition(' ')[2]}")[:120]
