"""
What an earlier export of a recording may have left in a store.

A point can be overwritten, but not one that is no longer there: an event at
another second, a stretch that can be scored by now, an outcome that is not
known any more. So results go before new ones come. Curves stay, and so does
what other models have found.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from aura.influx import schema

SECOND_NS = 10 ** 9


@dataclass(frozen=True)
class Earlier:
    """Points to be deleted."""

    predicate: str  # Which, as InfluxDB's delete API wants it
    start: str  # The first and the last time, RFC 3339
    stop: str


def results(patient: str, recording: str, model_id: str, start_ns: int,
            end_ns: int) -> tuple[Earlier, ...]:
    """Results of one recording: of this model, and those of no model."""
    model = model_id[:schema.MODEL_DIGITS]
    chosen: list[dict[str, str]] = [
        {"_measurement": schema.EVENT.name, "layer": schema.ORIGINAL},
        {"_measurement": schema.UNSCORABLE.name}]
    if model:
        # Its probability, events, agreement and score.
        chosen.append({"model": model})
    whose = {"patient": patient, "recording": recording}
    return tuple(Earlier(
        # As JSON a value is quoted and escaped as a predicate wants it.
        " AND ".join(f"{name}={json.dumps(value, ensure_ascii=False)}"
                     for name, value in (whose | tags).items()),
        _rfc3339(start_ns), _rfc3339(end_ns)) for tags in chosen)


def _rfc3339(time_ns: int) -> str:
    seconds, rest = divmod(time_ns, SECOND_NS)
    moment = datetime(1970, 1, 1) + timedelta(seconds=seconds)
    return f"{moment.isoformat()}.{rest:09d}Z"
