"""Recordings that are there twice: as waveform and beats, or by two paths."""
# Both files are refused until the user chooses a form. They are one recording
# if they have one name in one folder, or share a patient or a name and their
# beats fit. An index of rhythms finds the few files worth comparing.

import os
import posixpath
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache, lru_cache

import numpy as np

from aura import state
from aura.dataset import beat_files
from aura.dataset.beat_layout import BEATS, RR
from aura.dataset.ecg_channel import key_of, slopes
from aura.dataset.find import ECG, Candidate
from aura.dataset.names import printable, recording_stem
from aura.dataset.assemble import signal_of
from aura.dataset.rhythm import RhythmIndex, highest, length_of, peaks
from aura.dataset.unpack import open_recording
from aura.edf.header import read_header
from aura.edf.tal import has_gaps, read_timeline
from aura.errors import AuraError, Problem
from aura.folder import Folder
from aura.recording import Floats, Signal

# Forms by preference, for each value of the setting `prefer`.
PREFERENCES = {ECG: (ECG, BEATS, RR), BEATS: (BEATS, RR, ECG),
               RR: (RR, BEATS, ECG)}
EXCERPTS = 8
EXCERPT_S = 60.0
# Two short excerpts may show that one of a few beat files does not belong. One
# of the two lies in any half of the recording.
GLANCES, GLANCE_S, GLANCE_FILES = ((0.3, 0.6), (0.4, 0.7)), 20.0, 4
# Highest over median range of the samples around beats and between them.
CLEAR = 3.0
# The waveform is steep at nearly all of its own beats, and at half of others
# at most: `pytest tests/dataset/test_duplicates.py -k szdb`.
STEEP_SHARE = 0.75
OTHER_SHARE = 0.45
BEATS_MIN = 10
BEAT_HALF_S = 0.07
# An RR series starts with its first beat, at an unknown time.
OFFSETS_S = np.arange(0.0, 3.0, 0.02)
SAME_S = 0.02
MATCHING_SHARE = 0.95
INTERVALS_MIN, INTERVALS_MAX = 30, 2000
# Up to so many files of a patient are compared without the index.
FEW = 32

Found = tuple[Folder, Candidate]
# ``patient`` or ``name``, and which.
Key = tuple[str, str]


def resolve(found: Sequence[Found], prefer: str = "") -> list[Candidate]:
    """Refuse recordings in two forms, or all forms but the preferred."""
    if prefer and prefer not in PREFERENCES:
        raise state.error("settings.prefer", found=prefer[:60],
                          allowed=", ".join(PREFERENCES))
    candidates = _once(found)
    sound = [number for number, candidate in enumerate(candidates)
             if candidate.problem is None]
    if len({candidates[number].form for number in sound}) < 2:
        return candidates
    for group in _merged([*_same_names(found, sound),
                          *_matches(found, sound)]):
        ranked = sorted(group, key=lambda number: (
            PREFERENCES[prefer or ECG].index(candidates[number].form)))
        for number in group if not prefer else ranked[1:]:
            other = next(n for n in ranked if n != number)
            candidates[number] = replace(
                candidates[number],
                problem=_problem(candidates[other], prefer))
    return candidates


def _once(found: Sequence[Found]) -> list[Candidate]:
    """The candidates, each file only once, whatever paths lead to it."""
    candidates = [candidate for _, candidate in found]
    places = [folder.root / candidate.path for folder, candidate in found]
    first: dict[tuple[int, int], int] = {}
    # The file rather than a link to it, because folders name patients.
    for number in sorted(range(len(found)), key=lambda number: (
            candidates[number].problem is None
            and places[number].is_symlink())):
        if candidates[number].problem is not None:
            continue
        try:
            status = os.stat(places[number])
        except OSError:
            continue  # the reader reports what is wrong
        one = first.setdefault((status.st_dev, status.st_ino), number)
        if one != number:
            twice = state.problem(
                "recording.twice", name=printable(candidates[one].name))
            candidates[number] = replace(candidates[number], problem=twice)
    return candidates


def _problem(other: Candidate, prefer: str) -> Problem:
    named = f"{printable(other.name)} ({other.form})"
    if prefer:
        return state.problem("recording.other_form", named=named)
    return Problem(
        "recording.two_forms", "error", f"this recording also exists as "
        f"{named}, and counting both would double it; choose one with "
        "--prefer ecg, beats or rr (AURA_PREFER)")


def _same_names(found: Sequence[Found],
                sound: Iterable[int]) -> Iterator[set[int]]:
    """Files of one name in one folder: they would have the same output."""
    named: dict[str, set[int]] = defaultdict(set)
    for number in sound:
        folder, candidate = found[number]
        named[posixpath.join(
            folder.root, recording_stem(candidate.path))].add(number)
    return (group for group in named.values() if len(group) > 1)


def _merged(groups: Iterable[set[int]]) -> list[set[int]]:
    """Join groups that share a member."""
    group_of: dict[int, set[int]] = {}
    for group in groups:
        joined = group.union(*(group_of.get(one, ()) for one in group))
        group_of.update(dict.fromkeys(joined, joined))
    return list({id(group): group for group in group_of.values()}.values())


def _matches(found: Sequence[Found],
             sound: Sequence[int]) -> Iterator[set[int]]:
    """Pairs of files of two forms whose beats fit each other."""
    numbers = {form: [number for number in sound
                      if found[number][1].form == form]
               for form in PREFERENCES}
    series = _BeatFiles(found, [*numbers[BEATS], *numbers[RR]])
    for number in numbers[ECG]:
        for other in _beats_of(*found[number], series):
            yield {number, other}
    intervals = _BeatFiles(found, numbers[RR])
    for number in numbers[BEATS]:
        beats_s = series.time_s(number)
        for other in intervals.likely(_keys(*found[number]),
                                      length_of(beats_s), lambda: beats_s):
            if same_intervals(beats_s, intervals.time_s(other)):
                yield {number, other}


def _beats_of(folder: Folder, candidate: Candidate,
              series: "_BeatFiles") -> list[int]:
    """The beat files that belong to a waveform."""
    try:
        with open_recording(folder, candidate.path) as stream:
            header = read_header(stream)
            timeline = (read_timeline(stream, header)
                        if has_gaps(stream, header) else None)
            signal = cache(lambda: signal_of(
                stream, header, key_of(stream, header), timeline))
            keys = _keys(folder, candidate, header.patient)
            likely = series.named(keys)
            if len(likely) <= GLANCE_FILES and all(
                    series.form(number) == BEATS for number in likely):
                likely = [number for number in likely if all(may_belong(
                    signal(), series.time_s(number), places)
                    for places in GLANCES)]
            else:
                likely = series.likely(keys, float(header.duration_s),
                                       cache(lambda: peaks(signal())))
            found = [number for number in likely if belong(
                excerpts(signal()), series.time_s(number), OFFSETS_S
                if series.form(number) == RR else np.zeros(1))]
            if found and timeline is None:
                read_timeline(stream, header)  # the reader refuses a fault
            return found
    except (AuraError, OSError):
        return []  # the reader reports what is wrong


def _keys(folder: Folder, candidate: Candidate,
          header_patient: str = "") -> tuple[Key, Key]:
    """Patient and name of a file."""
    return (("patient", candidate.patient_in(
        folder, header_patient).name),
            ("name", posixpath.basename(candidate.stem)))


class _BeatFiles:
    """Beat files by patient and by name."""

    def __init__(self, found: Sequence[Found], numbers: Iterable[int]) -> None:
        self._found = found
        self._numbers: dict[Key, list[int]] = defaultdict(list)
        for number in numbers:
            for key in _keys(*found[number]):
                self._numbers[key].append(number)
        self._compared: Counter[int] = Counter()
        self._indices: dict[Key, RhythmIndex] = {}
        self.time_s = lru_cache(FEW)(self._time_s)

    def form(self, number: int) -> str:
        """Form of a file."""
        return self._found[number][1].form

    def named(self, keys: Iterable[Key]) -> list[int]:
        """All files of a patient or a name."""
        return sorted({number for key in keys
                       for number in self._numbers.get(key, ())})

    def likely(self, keys: Iterable[Key], length_s: float,
               beats: Callable[[], Floats]) -> list[int]:
        """Files to compare with one: all of a few, or those alike."""
        near = [key for key in keys if key in self._numbers]
        if sum(len(self._numbers[key]) for key in near) <= FEW:
            few = {number for key in near for number in self._numbers[key]}
            if all(self._compared[number] < FEW for number in few):
                self._compared.update(few)
                return sorted(few)
        return sorted({number for key in near for number
                       in self._index(key).alike(length_s, beats)})

    def _index(self, key: Key) -> RhythmIndex:
        if key not in self._indices:
            self._indices[key] = RhythmIndex(
                (number, self._time_s(number))
                for number in self._numbers[key])
        return self._indices[key]

    def _time_s(self, number: int) -> Floats:
        """Beats of a file; none if it cannot be read."""
        folder, candidate = self._found[number]
        try:
            with folder.open(candidate.path) as stream:
                return beat_files.read(stream).time_s
        except (AuraError, OSError):
            return np.empty(0)


def excerpts(signal: Signal) -> Iterator[tuple[int, float, Floats]]:
    """Start, rate and highest slope around each sample of each excerpt."""
    fs_hz = signal.fs_hz
    length = round(EXCERPT_S * fs_hz)
    reach = max(1, round(BEAT_HALF_S * fs_hz))
    last = signal.sample_count - length
    for start in sorted({max(0, round(last * i / (EXCERPTS - 1)))
                         for i in range(EXCERPTS)}):
        stop = min(start + length, signal.sample_count)
        steep = slopes(signal.read(start, stop), fs_hz)
        if len(steep) > 4 * reach and np.isfinite(steep).all():
            # A QRS complex lies in the 0.1 s around its peak.
            yield start, fs_hz, highest(np.pad(
                steep, (2 * reach, 0), mode="edge"), 2 * reach + 1)


def may_belong(signal: Signal, beats_s: Floats,
               places: Sequence[float]) -> bool:
    """Whether beats fit short excerpts, or these show no clear beats."""
    fs_hz = signal.fs_hz
    count = min(round(GLANCE_S * fs_hz), signal.sample_count)
    half = max(1, round(BEAT_HALF_S * fs_hz))
    samples, beats = [], []
    for number, place in enumerate(places):
        start = round((signal.sample_count - count) * place)
        first, last = beats_s.searchsorted((
            (start + half) / fs_hz, (start + count - half) / fs_hz))
        if last - first < BEATS_MIN:
            return True
        samples.append(signal.read(start, start + count))
        beats.append(beats_s[first:last] * fs_hz + (number * count - start))
    at = np.concatenate(beats)
    pairs = np.stack([at[1:], (at[1:] + at[:-1]) / 2]).astype(np.int64)
    around = np.concatenate(samples).take(
        pairs + np.arange(-half, half)[:, np.newaxis, np.newaxis],
        mode="clip")
    beat, middle = spread = around.max(axis=0) - around.min(axis=0)
    ordered = np.sort(spread, axis=None)
    return bool(not ordered[-1] > CLEAR * ordered[len(ordered) // 2]
                or (beat > 2 * middle).mean() > OTHER_SHARE)


def belong(each: Iterable[tuple[int, float, Floats]],
           beats_s: Floats, offsets_s: Floats) -> bool:
    """Whether beats are those of a waveform."""
    shares: list[Floats] = []
    for excerpt in each:
        share = _steep(*excerpt, beats_s, offsets_s)
        shares += [] if share is None else [share]
        # Then the median is lower whatever the other excerpts show.
        if sum(one.max() < STEEP_SHARE for one in shares) > EXCERPTS / 2:
            return False
    return bool(shares) and bool(
        np.median(np.array(shares), axis=0).max() >= STEEP_SHARE)


def _steep(start: int, fs_hz: float, steepest: Floats, beats_s: Floats,
           offsets_s: Floats) -> Floats | None:
    """Share of steep beats in an excerpt, for each offset."""
    begin_s, end_s = start / fs_hz, (start + len(steepest)) / fs_hz
    first, last = beats_s.searchsorted((begin_s - offsets_s[-1], end_s))
    times = beats_s[first:last] + offsets_s[:, np.newaxis]
    inside = (times >= begin_s) & (times < end_s)
    if inside.sum(axis=1).min() < BEATS_MIN:
        return None

    def slope(times: Floats) -> Floats:
        at = ((times - begin_s) * fs_hz).astype(np.int64)
        return steepest.take(at, mode="clip")

    both = inside[:, 1:] & inside[:, :-1]
    middles = (times[:, 1:] + times[:, :-1]) / 2
    steep = slope(times[:, 1:]) > 2 * slope(middles)
    return np.asarray((steep & both).sum(axis=1) / both.sum(axis=1))


def same_intervals(one_s: Floats, other_s: Floats) -> bool:
    """Whether two series of beats have the same intervals."""
    one, other = (np.diff(times[:INTERVALS_MAX + 1])
                  for times in (one_s, other_s))
    count = min(len(one), len(other))
    if count < INTERVALS_MIN:
        return False
    same = np.abs(one[:count] - other[:count]) <= SAME_S
    # Two slow, regular hearts agree by chance, but never so often.
    return bool(np.mean(same) >= MATCHING_SHARE and np.ptp(one) > SAME_S)
