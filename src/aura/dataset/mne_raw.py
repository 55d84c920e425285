"""Recordings of other makes by MNE, an extra that no image has."""

import contextlib
import functools
import importlib.util
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aura import state
from aura.dataset.as_edf import BLOCK_ROWS, Waveform, of_numbers
from aura.errors import AuraError
from aura.folder import Folder, outside

ENDINGS = (".vhdr", ".set", ".fif", ".gdf", ".cnt")
_ECG = re.compile("e[ck]g", re.IGNORECASE)


@functools.cache
def endings() -> tuple[str, ...]:
    """Endings that are read: none where MNE is not installed."""
    return ENDINGS if importlib.util.find_spec("mne") else ()


def read(folder: Folder, path: str) -> Waveform:
    """Read the header, and the range of each channel that may be an ECG."""
    place = folder.path(path)
    if not folder.holds(place):
        raise outside()
    with _reported():
        raw = importlib.import_module("mne").io.read_raw(
            str(place), preload=False, verbose="ERROR")
        return _waveform(raw, raw.get_channel_types())


def _waveform(raw: Any, kinds: list[str]) -> Waveform:
    likely = [number for number, kind in enumerate(kinds)
              if kind == "ecg" or _ECG.search(raw.ch_names[number])]
    chosen = likely or [*range(len(kinds))]
    start = raw.info["meas_date"]
    # Without a date the times count from the first sample.
    first_s = raw.first_time if start else 0.0
    return of_numbers(
        float(raw.info["sfreq"]),
        [(_label(raw.ch_names[channel], kinds[channel]), "V")
         for channel in chosen], raw.n_times, lambda: _blocks(raw, chosen),
        start and start.replace(tzinfo=None), tuple(
            (float(onset_s) - first_s, float(length_s) or None, text)
            for onset_s, length_s, text in zip(
                raw.annotations.onset, raw.annotations.duration,
                raw.annotations.description.tolist(), strict=True)))


@contextlib.contextmanager
def _reported() -> Iterator[None]:
    """Each reader of MNE raises errors of its own."""
    try:
        yield
    except AuraError:
        raise
    except Exception as error:
        raise state.error("mne.read", name=type(error).__name__) from None


def _blocks(raw: Any, chosen: list[int]) -> Iterator[NDArray[np.float64]]:
    for at in range(0, raw.n_times, BLOCK_ROWS):
        with _reported():
            block = raw.get_data(chosen, at, min(
                at + BLOCK_ROWS, raw.n_times), verbose="ERROR")
        yield block.T


def _label(name: str, kind: str) -> str:
    return name if kind != "ecg" or _ECG.search(name) else f"ECG {name}"
