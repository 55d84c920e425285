"""Lines and fields of text formats, read strictly; errors name both."""

import codecs
import csv
import re
from collections.abc import Iterator
from datetime import datetime

from aura import state
from aura.errors import AuraError

LINES_MAX = 1_000_000
MISSING = "n/a"
BLANK = {"", "-", "na", MISSING, "nan", "none", "null"}

_NUMBER = re.compile(
    r"[+-]?\d{1,12}(?:\.\d{1,20})?(?:[eE][+-]?\d\d?)?", re.ASCII)
_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,6})?"
                  r"(?:Z|[+-]00:?00)?", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def decoded(content: bytes) -> tuple[str, bool]:
    """A text, and whether it is in another encoding than UTF-8."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace"), False
    try:
        return content.decode("utf-8-sig"), False
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace"), True


def lines(content: bytes) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line."""
    text, _ = decoded(content)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    rows = text.split("\n")
    if len(rows) > LINES_MAX:
        raise state.error("annotations.count", lines_max=LINES_MAX)
    # Checked at once; the faulty line is only searched if there is one.
    sound = _CONTROL_BUT_LINES.search(text) is None
    for number_, row in enumerate(rows, 1):
        if not sound and _CONTROL.search(row):
            raise syntax(number_, "row", "has a control character")
        yield number_, row


def cells(line: str, separator: str, quoted: bool) -> list[str]:
    """Split a row into cells without spaces around them."""
    row = (next(csv.reader([line], delimiter=separator)) if quoted
           else line.split(separator))
    return [cell.strip() for cell in row]


def number(word: str, line: int, name: str) -> float:
    """Read a decimal number: no comma, not infinite."""
    if _NUMBER.fullmatch(word) is None or abs(float(word)) >= 1e12:
        raise syntax(line, name, "has to be a plain decimal number, such as "
                     "12.5")
    return float(word)


def between(word: str, line: int, name: str, most: float) -> float | None:
    """Read a number from 0 to `most`, or None for ``n/a``."""
    value = None if word == MISSING else number(word, line, name)
    if value is not None and not 0 <= value <= most:
        raise syntax(line, name, f"has to be from 0 to {most:g}")
    return value


def confidence(word: str, line: int, name: str) -> float | None:
    """Read a number from 0 to 1, or None for ``n/a``."""
    return between(word, line, name, 1)


def is_moment(word: str) -> bool:
    """Whether a field is a date and time as in ISO 8601."""
    return _ISO.fullmatch(word) is not None


def moment(word: str, line: int, name: str) -> datetime:
    """Read a date and time."""
    try:
        return datetime.fromisoformat(word).replace(tzinfo=None)
    except ValueError:
        raise syntax(line, name, "is a date and time that does not exist") \
            from None


def decimal(value: float, least: int, most: int) -> str:
    """Write a number with the decimals it needs, from least to most."""
    text = f"{value:.{most}f}"
    whole, _, part = text.partition(".")
    part = part.rstrip("0").ljust(least, "0")
    # Minus zero is written as zero.
    whole = "0" if whole == "-0" and not part.strip("0") else whole
    return f"{whole}.{part}" if part else whole


def syntax(line: int, name: str, text: str) -> AuraError:
    """The error for a field that breaks its format."""
    return state.error("annotations.syntax", line=line, name=name, text=text)


def has_control(text: str) -> bool:
    """Whether a text has a control character other than a tab."""
    return _CONTROL.search(text) is not None
