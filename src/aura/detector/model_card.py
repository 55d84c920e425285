"""
The card of a model: JSON, of which every field is checked before use.
"""

import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from aura.detector.alarms import AlarmRule
from aura.errors import CorruptDataError, InvalidInputError

FORMAT = 1
USE = "Research use only. Not a medical device."
MAX_BYTES = 4 * 2 ** 20
AGAIN = "download both files again, or run `aura train` again"

Number = float | int
Scalar = float | int | str | bool | None
ALARM = {setting.name for setting in fields(AlarmRule)}


def is_number(value: Any) -> bool:
    """Whether a value is a number that a float can hold."""
    return (isinstance(value, (int, float)) and not isinstance(value, bool)
            and abs(value) <= sys.float_info.max)


def _is_hash(value: Any) -> bool:
    return (isinstance(value, str)
            and re.fullmatch("[0-9a-f]{64}", value) is not None)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 1000


def _are_features(value: Any) -> bool:
    return (isinstance(value, list) and 0 < len(value) <= 10_000
            and all(isinstance(entry, dict) and set(entry) == {"name", "unit"}
                    and all(map(_is_text, entry.values())) for entry in value)
            and len({entry["name"] for entry in value}) == len(value))


def _are(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _maps_to(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: (isinstance(value, dict)
                          and all(map(check, value.values())))


# Fields of every card; a caller may add others.
FIELDS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "format": (f"the number {FORMAT}",
               lambda value: is_number(value) and value == FORMAT),
    "use": ("text", _is_text),
    "model_id": ("64 hex digits", _is_hash),
    "sha256": ("64 hex digits", _is_hash),
    "schema_id": ("text", _is_text),
    "features": ("a list of distinct names with units", _are_features),
    "hop_s": ("a number above 0",
              lambda value: is_number(value) and value > 0),
    "windows_s": ("a list of numbers", _are(is_number)),
    "alarm": ("the numbers of an alarm rule, the threshold among them",
              lambda value: _maps_to(is_number)(value)
              and {"threshold"} <= set(value) <= ALARM),
    "settings": ("scalars by name", _maps_to(
        lambda value: value is None or isinstance(value, bool)
        or _is_text(value) or is_number(value))),
    "versions": ("versions by name", _maps_to(_is_text)),
    "created": ("text", _is_text),
}


def write(card: Mapping[str, Any]) -> bytes:
    """Bytes of a card."""
    try:
        content = json.dumps(card, indent=2, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            "model.card", f"the card cannot be written as JSON: {error}",
            "use null for a metric without a value") from None
    problem = _problem(json.loads(content))
    if problem:
        raise InvalidInputError("model.card", problem, "correct that field")
    return content.encode("ascii") + b"\n"


def read(content: bytes) -> dict[str, Any]:
    """Read and check a card."""
    try:
        card: dict[str, Any] = json.loads(content, parse_constant=_no_number)
    except (ValueError, RecursionError):
        problem = "the card is not JSON text"
    else:
        problem = _problem(card)
    if problem:
        raise CorruptDataError("model.card", problem, AGAIN)
    return card


def _problem(card: Any) -> str:
    if not isinstance(card, dict):
        return "the card is not a JSON object"
    for name, (what, check) in FIELDS.items():
        if name not in card:
            return f"the card has no {name}"
        if not check(card[name]):
            return f"the card's {name} is not {what}"
    return ""


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is not JSON")
