"""RR intervals of a FIT file, as Garmin, Wahoo and others write them."""
# The last message with a time, to a second, places the last interval.

import importlib
import io

import numpy as np

from aura import state
from aura.recording import Floats

BYTES_MAX = 64 * 2**20
# The seconds of FIT begin at 1989-12-31; small ones are not of a clock.
EPOCH_S, DATED_S = 631065600, 0x10000000
INVALID_S = 65.535


def is_one(head: bytes) -> bool:
    """Whether a file is FIT, by its header."""
    return head[8:12] == b".FIT"


def read(content: bytes) -> tuple[Floats, tuple[str, list[str]]]:
    """The intervals in seconds, and a column of times for them."""
    if len(content) > BYTES_MAX:
        raise state.error("fit.size", bytes_max=BYTES_MAX)
    try:
        fitdecode = importlib.import_module("fitdecode")
    except ImportError:
        raise state.error("fit.missing") from None
    rr_s: list[float] = []
    times: list[str] = []
    try:
        frames = fitdecode.FitReader(
            io.BytesIO(content), processor=None,
            check_crc=fitdecode.CrcCheck.RAISE,
            error_handling=fitdecode.ErrorHandling.IGNORE)
        for frame in frames:
            if isinstance(frame, fitdecode.FitDataMessage) and (
                    frame.name == "hrv"):
                found = np.array(frame.get_value("time"), float).reshape(-1)
                found = found[(found > 0) & (found < INVALID_S)]
                time_s = frames.last_timestamp
                rr_s += found.tolist()
                times += [""] * len(found)
                if len(found) and time_s >= DATED_S:
                    times[-1] = str(int(time_s) + EPOCH_S)
    # A damaged file can raise anything.
    except Exception:
        raise state.error("fit.damaged") from None
    if not rr_s:
        raise state.error("fit.no_rr")
    return np.array(rr_s), ("timestamp", times)
