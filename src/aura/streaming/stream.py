"""A model at work second by second: settled beats in, decisions out."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from aura.detection import probabilities
from aura.detector.alarms import rule_of
from aura.detector.model import Model, check_features
from aura.ecg import features
from aura.recording import Event, Floats
from aura.streaming.live_alarms import LiveAlarms
from aura.streaming.live_beats import between
from aura.streaming.live_rows import LiveRows


@dataclass(frozen=True)
class Decision:
    time_s: float  # End of the hop
    scorable: bool
    probability: float  # NaN where it cannot be scored
    smoothed: float
    alarm: bool  # Whether an alarm begins here


@dataclass
class Stream:
    """Beats in, decisions and at the end all events out."""

    model: Model  # Checked against the features of this version
    adapt_after_h: float = 0.0  # 0 leaves it to the model
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        check_features(self.model, features.SCHEMA_ID, features.SCHEMA)
        rule = rule_of(self.model.alarm, self.adapt_after_h)
        self._rows = LiveRows(self.model.features, self.model.hop_s)
        self._alarms = LiveAlarms(rule, self.model.hop_s)
        self._time_s = 0.0
        self._beats: Floats = np.empty(0)
        self._spans: Floats = np.empty((0, 2))

    def feed(self, beat_s: Floats, unscorable: Floats,
             until_s: float) -> Iterator[Decision]:
        """Take what has been settled, and decide on every hop that is over."""
        self._beats = np.concatenate([self._beats, beat_s])
        self._spans = np.concatenate([self._spans, unscorable])
        # The millionth is that of `aura.ecg.features.row_times`.
        hop_s = self.model.hop_s
        while self._time_s + hop_s * (1 - 1e-6) <= until_s:
            self._time_s += hop_s
            yield self._decide(self._time_s)

    def close(self) -> list[Event]:
        """All events; no more can be fed."""
        self.events += self._alarms.close()
        return self.events

    def _decide(self, end_s: float) -> Decision:
        self._rows.feed(*self._settled(end_s))
        time_s, scorable, values = self._rows.next()
        probability = float(probabilities(
            self.model, list(values[:, None]), np.array([scorable]))[0])
        smoothed, alarm, done = self._alarms.feed(probability)
        self.events += done
        self._time_s = time_s
        return Decision(time_s, scorable, probability, smoothed, alarm)

    def _settled(self, end_s: float) -> tuple[Floats, Floats]:
        # A beat on the very end belongs to the hop that it ends.
        count = int(np.searchsorted(self._beats, end_s, side="right"))
        beats, self._beats = self._beats[:count], self._beats[count:]
        inside = between(self._spans, -np.inf, end_s)
        self._spans = between(self._spans, end_s, np.inf)
        return beats, inside
