"""What can go wrong, in words for the person who has to correct it."""
# Every error that a user can meet is an AuraError: the rule of a check, what
# was found, and a way out. The class says who has to act.

import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning"]
ISSUES = "https://github.com/aura-healthcare/aura-blocks/issues"
CAUSES_SHOWN = 8
SHOWN, SHOWN_LENGTH = 5, 40
_shows_texts = False


def show_texts(shown: bool) -> None:
    """Show texts of recordings in messages: on the user's own machine."""
    global _shows_texts
    _shows_texts = shown


def quoted(texts: Iterable[str]) -> str:
    """Some different texts in brackets; nothing where names may not be."""
    if not _shows_texts:
        return ""
    different = list(dict.fromkeys(
        "".join(c if c.isprintable() else "\ufffd" for c in text)
        for text in texts))
    listed = ", ".join(f"'{text[:SHOWN_LENGTH]}'"
                       for text in different[:SHOWN])
    return f" ({listed}{', ...' if len(different) > SHOWN else ''})"


def plural(count: int, noun: str) -> str:
    """A number with its noun: ``1 recording``, ``2 recordings``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


@dataclass(frozen=True)
class Problem:
    """One finding about one input, as `aura inspect` lists it."""

    rule: str
    level: Level
    text: str


class AuraError(Exception):
    """
    An error with a rule, a one-line text and a way out.

    All errors that a user can meet are of this class.

    Parameters
    ----------
    rule : str
        Stable identifier of the check, dotted lower case.
    text : str
        What was found and what is allowed; no path and no header text of a
        recording other than channel labels.
    fix : str, optional
        What the user can do about it.

    Examples
    --------
    >>> import aura
    >>> try:
    ...     aura.read("no-such-file.edf")
    ... except aura.AuraError as error:
    ...     print(error.rule)
    path.missing
    """

    def __init__(self, rule: str, text: str, fix: str = "") -> None:
        self.rule = rule
        self.text = f"{text}; {fix}" if fix else text
        super().__init__(rule, text, fix)

    def __str__(self) -> str:
        return f"{self.rule}: {self.text}"

    @property
    def problem(self) -> Problem:
        """The same finding as an entry of a manifest."""
        return Problem(self.rule, "error", self.text)


class InvalidInputError(AuraError):
    """The request or file is malformed and will stay so."""


class CorruptDataError(AuraError):
    """A file is damaged: cut off, or not what its digest says."""


class MissingError(AuraError):
    """A file, a model or a folder is not there."""


class ForbiddenError(AuraError):
    """A path leaves its folder, or an artefact is not to be trusted."""


class PreconditionError(AuraError):
    """Something has to change before the same request can succeed."""


class ResourceError(AuraError):
    """A limit of size, memory or disk is reached."""


class UnsupportedError(AuraError):
    """A legal input of a kind that is not read."""


class UnavailableError(AuraError):
    """Something is away for now; the same request may succeed later."""


class EndOfData(AuraError):
    """A source has handed out everything; the next call starts anew."""

    def __init__(self) -> None:
        super().__init__("source.end", "all batches have been handed out")


def frames_of(error: BaseException) -> str:
    """Code lines and types of an exception and its causes, without texts."""
    parts: list[str] = []
    cause: BaseException | None = error
    # Causes can form a circle.
    while cause is not None and len(parts) < CAUSES_SHOWN:
        frames = "".join(traceback.format_tb(cause.__traceback__))
        parts.append(f"{frames}{type(cause).__name__}")
        cause = cause.__cause__ or (
            None if cause.__suppress_context__ else cause.__context__)
    return "\ncaused by\n".join(parts)
