"""Synthetic ECG with known beats and seizures, for demos and tests."""
# Beats are sums of five Gaussians: https://doi.org/10.1109/TBME.2003.808805

from dataclasses import dataclass, field

import numpy as np

from aura import state
from aura.errors import InvalidInputError
from aura.recording import SEIZURE, Bools, Event, Floats
from aura.synthetic.heart import (
    LAST_STREAM, Heart, Surge, beat_times, draw_surges)

FLAT, SATURATED, NOISE, JERK = "flat", "saturated", "noise", "jerk"
NOISE_BLOCK_S = 60.0
NOISE_MV = 0.5
JERK_MV, JERK_S = 2.0, 0.5

# Centre (s), height (mV), width (s) of P, Q, R, S and T at an RR of 1 s.
WAVES = np.array([[-.170, .12, .022], [-.026, -.12, .008], [0, 1., .010],
                  [.029, -.24, .009], [.290, .28, .045]])
ECTOPIC_WAVES = np.array([[-.170, 0., .022], [-.060, -.15, .024],
                          [0, 1.3, .028], [.080, -.45, .028],
                          [.330, -.40, .060]])
# Root mean square of such beats, one per second, with R peaks of 1 mV.
BEAT_RMS = float(np.sqrt(
    (WAVES[:, 1] ** 2 * WAVES[:, 2]).sum() * np.sqrt(np.pi)))
# What lies farther from the R peak moves with the RR interval.
FIXED_S = 0.1
TAIL_WIDTHS = 5.0
# A spike is no narrower than this share of a sample, or it would fall between.
LEAST_WIDTH = 0.35

_NOISE, _ENVELOPE = LAST_STREAM + 1, LAST_STREAM + 2


@dataclass(frozen=True)
class Sensor:
    fs_hz: float = 256.0  # Sampling rate
    gain: float = 1.0  # R peak in mV; negative for interchanged electrodes
    snr_db: float = 20.0  # Power over that of muscle noise; inf for none
    # Amplitudes of baseline wander and of mains hum.
    wander_mv: float = 0.1
    mains_mv: float = 0.01
    mains_hz: float = 50.0
    rail_mv: float = 5.0  # Largest value that the device can record


@dataclass(frozen=True)
class SyntheticEcg:
    """A synthetic signal that can be read in segments, like a file."""

    duration_s: float
    seed: int  # Seed of the noise
    sensor: Sensor
    beat_time_s: Floats  # True times of the R peaks
    ectopic: Bools  # Which of the beats are ectopic
    surges: tuple[Surge, ...] = ()  # In seizures and efforts
    faults: tuple[Event, ...] = ()  # Labelled by the names above
    waves: tuple[Floats, Floats] = (WAVES, ECTOPIC_WAVES)
    _root_rr: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        rr_s = np.diff(self.beat_time_s, prepend=self.beat_time_s[:1] - 1)
        object.__setattr__(self, "_root_rr", np.sqrt(np.clip(rr_s, .3, 1.5)))

    @property
    def fs_hz(self) -> float:
        return self.sensor.fs_hz

    @property
    def sample_count(self) -> int:
        return round(self.duration_s * self.fs_hz)

    @property
    def rails(self) -> tuple[float, float]:
        """Smallest and largest value of the device, in mV."""
        return -self.sensor.rail_mv, self.sensor.rail_mv

    @property
    def seizures(self) -> tuple[Event, ...]:
        """The planted seizures, sorted."""
        return tuple(Event(surge.onset_s, surge.duration_s, SEIZURE)
                     for surge in self.surges if surge.seizure)

    @property
    def samples(self) -> Floats:
        """All samples in mV; computed again at each access."""
        return self.read(0, self.sample_count)

    def read(self, start: int, stop: int) -> Floats:
        """Samples ``start`` to ``stop`` (exclusive), in mV."""
        sensor = self.sensor
        samples = sensor.gain * self._heart(start, stop)
        if np.isfinite(sensor.snr_db):
            noise_mv = (abs(sensor.gain) * BEAT_RMS
                        * 10 ** (-sensor.snr_db / 20))
            samples += noise_mv * self._muscle(start, stop)
        for hz, share in ((.05, .6), (.11, .3), (.27, .1)):
            samples += sensor.wander_mv * share * _sine(
                start, stop, hz / self.fs_hz)
        samples += sensor.mains_mv * _sine(
            start, stop, sensor.mains_hz / self.fs_hz)
        self._spoil(samples, start, stop)
        np.clip(samples, *self.rails, out=samples)
        return samples

    def _heart(self, start: int, stop: int) -> Floats:
        """The beats without noise, with R peaks of height 1."""
        samples = np.zeros(stop - start)
        first, last = np.searchsorted(
            self.beat_time_s, [start / self.fs_hz - 1, stop / self.fs_hz + 1])
        for ectopic, waves in enumerate(self.waves):
            chosen = first + np.flatnonzero(
                self.ectopic[first:last] == ectopic)
            for centre_s, height, width_s in waves:
                stretch = (self._root_rr[chosen] if abs(centre_s) > FIXED_S
                           else np.ones(len(chosen)))
                samples += _bells(
                    self.beat_time_s[chosen] + centre_s * stretch, height,
                    np.maximum(width_s * stretch, LEAST_WIDTH / self.fs_hz),
                    start, stop, self.fs_hz)
        return samples

    def _muscle(self, start: int, stop: int) -> Floats:
        """High-passed noise of unit power and slowly varying strength."""
        size = round(NOISE_BLOCK_S * self.fs_hz)
        first, last = start // size, -(-stop // size)
        white = [np.random.default_rng([self.seed, _NOISE, block])
                 .standard_normal(size + 1, np.float32)
                 for block in range(first, last)]
        knots = np.random.default_rng([self.seed, _ENVELOPE]).normal(
            0, .4, int(self.duration_s / 10) + 2)
        time_s = np.arange(start, stop) / self.fs_hz
        strength: Floats = np.exp(np.interp(
            time_s, 10. * np.arange(len(knots)), knots) - .16)
        if not white:
            return np.empty(0)
        offset = start - first * size
        noise: Floats = np.concatenate([np.diff(block) for block in white])[
            offset:offset + stop - start].astype(np.float64)
        noise *= strength / np.sqrt(2)
        return noise

    def _spoil(self, samples: Floats, start: int, stop: int) -> None:
        """Overwrite the samples with the faults, in place."""
        for fault in self.faults:
            first = max(round(fault.onset_s * self.fs_hz), start)
            last = min(round(fault.end_s * self.fs_hz), stop)
            if last <= first:
                continue
            spoilt = samples[first - start:last - start]
            if fault.label == NOISE:
                spoilt[:] = NOISE_MV * self._muscle(first, last)
            elif fault.label == JERK:
                spoilt += JERK_MV * np.exp(
                    (fault.onset_s - np.arange(first, last) / self.fs_hz)
                    / JERK_S)
            else:
                spoilt[:] = (self.sensor.rail_mv
                             if fault.label == SATURATED else 0)


def ecg(duration_s: float, *, seed: int = 1, heart: Heart | None = None,
        sensor: Sensor | None = None, surges: tuple[Surge, ...] | None = None,
        faults: tuple[Event, ...] = ()) -> SyntheticEcg:
    if not 0 < duration_s < np.inf:
        raise state.error("synthetic.duration", duration_s=duration_s)
    unknown = {fault.label for fault in faults} - {
        FLAT, SATURATED, NOISE, JERK}
    if unknown:
        raise InvalidInputError(
            "synthetic.fault", f"the fault {min(unknown)!r} is unknown",
            f"use {FLAT}, {SATURATED}, {NOISE} or {JERK}")
    if heart is None:
        heart = Heart.random(seed)
    if surges is None:
        surges = draw_surges(duration_s, seed)
    beats, ectopic = beat_times(duration_s, seed, heart, surges)
    return SyntheticEcg(duration_s, seed, sensor or Sensor(), beats, ectopic,
                        surges, faults)


def _bells(centre_s: Floats, height: float, width_s: Floats, start: int,
           stop: int, fs_hz: float) -> Floats:
    """Sum of Gaussians, each computed only near its centre."""
    if not len(centre_s) or not height:
        return np.zeros(stop - start)
    reach = np.ceil(TAIL_WIDTHS * width_s * fs_hz).astype(np.int64)
    columns = np.arange(-reach.max(), reach.max() + 1)
    index = np.round(centre_s * fs_hz).astype(np.int64)[:, None] + columns
    offset = (index / fs_hz - centre_s[:, None]) / width_s[:, None]
    values = height * np.exp(-.5 * offset * offset)
    used = ((np.abs(columns) <= reach[:, None])
            & (index >= start) & (index < stop))
    where = index[used] - start
    return np.bincount(where, values[used], stop - start).astype(np.float64)


def _sine(start: int, stop: int, turns_per_sample: float) -> Floats:
    """A sine over a range of samples; the addition theorem saves time."""
    width = 1024
    first, last = start // width, -(-stop // width)
    coarse = np.exp(2j * np.pi * turns_per_sample
                    * width * np.arange(first, last))
    fine = np.exp(2j * np.pi * turns_per_sample * np.arange(width))
    wave: Floats = (np.multiply.outer(coarse.imag, fine.real)
                    + np.multiply.outer(coarse.real, fine.imag)).ravel()
    offset = start - first * width
    return wave[offset:offset + stop - start]
