"""The card of a model: JSON, of which every field is checked before use."""

import json
import sys
from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from aura import state
from aura.detector.alarms import AlarmRule
from aura.errors import AuraError, CorruptDataError, InvalidInputError

FORMAT: Literal[1] = 1
USE = "Research use only. Not a medical device."
MAX_BYTES = 4 * 2 ** 20
AGAIN = "download both files again, or run `aura train` again"

Number = float | int
Scalar = float | int | str | bool | None
ALARM = {setting.name for setting in fields(AlarmRule)}

_MOST = sys.float_info.max
_Finite = Annotated[float, Meta(ge=-_MOST, le=_MOST)]
_Text = Annotated[str, Meta(max_length=1000)]
_Digest = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]


class CardFeature(msgspec.Struct, forbid_unknown_fields=True):
    name: _Text
    unit: _Text


class Card(msgspec.Struct):
    """The fields of every card; a caller may add others."""

    format: Literal[1]
    use: _Text
    model_id: _Digest
    sha256: _Digest
    schema_id: _Text
    features: Annotated[list[CardFeature], Meta(min_length=1,
                                                max_length=10_000)]
    hop_s: Annotated[float, Meta(gt=0, le=_MOST)]
    windows_s: list[_Finite]
    alarm: dict[str, _Finite]
    settings: dict[str, _Finite | _Text | bool | None]
    versions: dict[str, _Text]
    created: _Text
    feature_windows: dict[str, _Text] = {}

    def __post_init__(self) -> None:
        if len({one.name for one in self.features}) < len(self.features):
            raise ValueError("two features have the same name")
        if not {"threshold"} <= set(self.alarm) <= ALARM:
            raise ValueError("alarm needs the threshold, and may have "
                             + ", ".join(sorted(ALARM)))


WINDOWS = "feature_windows"
FIELDS = frozenset(Card.__struct_fields__) - {WINDOWS}


def write(card: Mapping[str, Any]) -> bytes:
    try:
        content = json.dumps(card, indent=2, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise state.error("model.card", error=error) from None
    _check(json.loads(content), "correct that field", InvalidInputError)
    return content.encode("ascii") + b"\n"


def read(content: bytes) -> dict[str, Any]:
    try:
        card: dict[str, Any] = json.loads(content, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise CorruptDataError(
            "model.card", "the card is not JSON text", AGAIN) from None
    _check(card, AGAIN, CorruptDataError)
    return card


def _check(card: Any, fix: str, error: type[AuraError]) -> None:
    state.convert(card, Card, "model.card", "the card", fix, error)


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is not JSON")
