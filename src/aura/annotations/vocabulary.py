"""Labels of annotations: what means a seizure, and their translations."""
# TUH codes and HED-SCORE names: https://doi.org/10.1111/epi.18113. Other text
# is a seizure if it has a term of vocabulary.toml and nothing that denies it.

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from aura import state
from aura.recording import BACKGROUND, SEIZURE

OTHER = "other"
BEGIN, END = "begin", "end"

_HED = re.compile(r"sz(?:_[A-Za-z][A-Za-z0-9]*)*", re.ASCII)

# Tables of phrases and codes, see there.
_TABLES: list[dict[str, str]] = [*state.beside(__file__).values()]
TERMS, ALONE, SIDES, NOT, CODES = _TABLES
_WORDS = {
    "seizure": SEIZURE, "sz": SEIZURE, "crisis": SEIZURE, "crise": SEIZURE,
    "background": BACKGROUND, "impd": "impd", **CODES}
_CODE_OF = {name.lower(): code for code, name in CODES.items()}

_JOKERS = {"+": "(?: [^ ]+)?", "$": r"(?=(?: \d+)* $)"}
_TYPE_OF_ONSET = re.compile(
    r" (focal|generali[sz]ed|unknown|partial|multifocal|bilateral) onset(?= )")
# Words that are written as one: a term and what follows, or what denies it.
_FOLLOWS = "|".join((*re.findall(r"[a-z]+", " ".join(SIDES.values())),
                     "free", "frei", "like"))
_COMPOUND = re.compile(
    r"(?<= )(?:(seizure)s?|((?:krampf|)anfall)s|(anfall|seiz|szr?|crisis|crise"
    rf"|eeg|clin)(?=(?:{_FOLLOWS}) ))(?=[^\W\d_]{{2}})")
_DENIED = re.compile(r"(?<= )(no|non|post|pre|inter|peri|anti|pseudo)"
                     r"(?=(?:seizure|sz|anfall)s? )")
_CLAUSE = re.compile("[,;.]")
_NONE_OR_DOUBT = re.compile(r"[?]|[:=]\s*0\s*$|-\s*$")
# Abbreviations: no vowel, and the letters of seizure.
_SHORT = re.compile(r"(?:e|eeg)?[b-df-hj-np-tv-xz]*sz[b-df-hj-np-tv-xz]*")
_NEAR_LENGTH = 5  # Own words up to this length have too many neighbours
# Letters of another alphabet that were read as Latin, or were lost.
_GARBLED = re.compile("[\x80-\xff]{4}|\ufffd|[?][?]")


@dataclass(frozen=True)
class Meaning:
    """What a text means."""

    label: str = OTHER
    # `BEGIN` or `END` if it marks one side of a seizure; an end has no label.
    side: str = ""
    doubtful: bool = False  # Maybe a seizure: a person has to decide


class _Terms:
    """The tables as regular expressions, with the user's own words."""

    def __init__(self, own: str = "") -> None:
        listed = [word.strip() for word in own.split(",")
                  if _spaced(word).strip()]
        ignored = [_spaced(word, "*") for word in listed if word[0] == "!"]
        added = [_spaced(word, "*") for word in listed if word[0] != "!"]
        self.ignored = _pattern(", ".join(ignored)) if ignored else None
        terms = {**TERMS, SEIZURE: ", ".join((TERMS[SEIZURE], *added))}
        self.labels = {label: _pattern(text) for label, text in terms.items()}
        self.alone = {label: _pattern(text, whole=True)
                      for label, text in ALONE.items()}
        self.sides = {side: _pattern(text) for side, text in SIDES.items()}
        term = "(?:" + "|".join(
            made.pattern for made in self.labels.values()) + ")"
        self.never, self.none, self.doubt, self.maybe, self.known = (
            _pattern(NOT[name], term) for name in (
                "never", "none", "doubt", "maybe", "known"))
        near = [word.strip() for word in (
            *NOT["near"].split(","), *added) if len(word) > _NEAR_LENGTH]
        self.near = frozenset().union(*map(_shorter, near))
        self.scripts = {_script(c) for text in terms.values() for c in text
                        if c.isalpha()}

    def meaning(self, text: str) -> Meaning:
        """The meaning of a text that is no label."""
        words = _spaced(text)
        sides = [side for side, made in self.sides.items()
                 if made.search(words)]
        label = self._label(words, self.name(words))
        if self.never.search(words):
            return Meaning()
        if label == OTHER:
            return Meaning(doubtful=self._may_be(text, words))
        if self.none.search(words):
            # A denial ends with its clause: "no response, seizure".
            clauses = (self.none.sub("", _spaced(clause))
                       for clause in _CLAUSE.split(text))
            return Meaning(doubtful=any(
                self._label(rest, rest) != OTHER for rest in clauses))
        if self.doubt.search(words) or _NONE_OR_DOUBT.search(text):
            return Meaning(doubtful=True)
        side = sides[0] if len(sides) == 1 else ""
        return Meaning(OTHER if side == END else label.lower(), side)

    def _may_be(self, text: str, words: str) -> bool:
        """Whether a text without a term may mean a seizure."""
        if _GARBLED.search(text) or any(
                map(self._is_foreign, words.split())):
            return True
        words = self.known.sub("", words)
        guess = self.maybe.sub(" seizure", "".join(
            " seizure" if _SHORT.fullmatch(word) or not self.near.isdisjoint(
                _shorter(word)) else f" {word}"
            for word in words.split()) + " ")
        meant = self.meaning(guess) if "seizure" in guess else Meaning()
        return meant.doubtful or meant.label != OTHER

    def _is_foreign(self, word: str) -> bool:
        """Whether no term has letters like these; Greek ones may be units."""
        foreign = [script for script in map(_script, word)
                   if not word.isdecimal() and script not in self.scripts]
        return bool(foreign) and foreign != ["GREEK"]

    def name(self, words: str) -> str:
        """The words without those of a start or an end."""
        for made in self.sides.values():
            words = made.sub("", words)
        return words

    def _label(self, words: str, name: str) -> str:
        for label, made in self.labels.items():
            if made.search(words):
                return label
        for label, made in self.alone.items():
            if made.fullmatch(words) or made.fullmatch(name):
                return label
        return OTHER


def _spaced(text: str, joker: str = "") -> str:
    """Words and numbers of a text, each after one space, and one behind."""
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    plain = "".join(c for c in unicodedata.normalize("NFKD", text)
                    if not unicodedata.combining(c)).casefold()
    words = "".join(f" {word}" for word in re.findall(
        rf"(?:[^\W\d_]|[{joker}])+|\d+" if joker else r"[^\W\d_]+|\d+",
        plain)) + " "
    words = _COMPOUND.sub(
        lambda found: f"{found[found.lastindex or 0]} ", words)
    return _TYPE_OF_ONSET.sub(r" \1", _DENIED.sub(r"\1 ", words))


def _shorter(word: str) -> set[str]:
    """A word, and what is left of it without any one of its letters."""
    return {word, *(word[:at] + word[at + 1:] for at in range(len(word)))}


@lru_cache(maxsize=4096)
def _script(letter: str) -> str:
    return unicodedata.name(letter, "").partition(" ")[0]


def _pattern(phrases: str, term: str = "",
             whole: bool = False) -> re.Pattern[str]:
    """Phrases, separated by commas, as one regular expression."""
    made = []
    for phrase in phrases.split(","):
        pieces = []
        for word in phrase.split():
            if word == "~":
                pieces.append(term)
            elif word in _JOKERS:
                pieces.append(_JOKERS[word])
            else:
                pieces.append(" " + re.escape(word).replace(r"\*", "[^ ]*"))
        made.append("".join(pieces))
    number = r"(?: \d+)* " if whole else "(?= )"
    return re.compile(f"(?:{'|'.join(made)}){number}")


_terms = _Terms()


def use(own: str) -> None:
    """Add own words, separated by commas; ``!word`` is one to ignore."""
    global _terms
    _terms = _Terms(own)
    _meaning.cache_clear()


def is_ignored(text: str) -> bool:
    """Whether the user said that a text means nothing."""
    return _terms.ignored is not None and bool(
        _terms.ignored.search(_spaced(text)))


def meaning_of(text: str) -> Meaning:
    """What a text means; a label means itself."""
    word = text.strip().lower()
    # The seizures of a recording may be numbered.
    label = _WORDS.get(word) or CODES.get(word.rstrip("0123456789 _#.-"))
    if label:
        return Meaning(label.lower())
    # Numbers have no meaning, but none has.
    meaning = _meaning(re.sub(r"\d*[1-9]\d*", "1", text))
    if _HED.fullmatch(word) and meaning.label != OTHER and not meaning.side:
        return Meaning(word)
    return meaning


# Most of a hundred thousand annotations have one of a few texts.
@lru_cache(maxsize=1024)
def _meaning(text: str) -> Meaning:
    return _terms.meaning(text)


@lru_cache(maxsize=1024)
def name_of(text: str) -> str:
    """What the marks of a seizure's start and end have in common."""
    return _terms.name(_spaced(text))


def label_of(text: str) -> str:
    """Label of a text: ``sz...``, ``bckg``, ``impd`` or ``other``."""
    return meaning_of(text).label


def hed(text: str) -> str:
    """The HED-SCORE name of a label; any other text as it is."""
    # ``fnsz`` is ``sz_foc``, ``Seizure`` is ``sz``.
    word = text.strip()
    label = label_of(word)
    if label == OTHER:
        return text
    # A name of HED-SCORE that is not known here stays as it is.
    same = word.lower() == label and _HED.fullmatch(word)
    return word if same else _NAMES.get(label, label)


def code(text: str) -> str:
    """The TUH code of a label; any other text as it is."""
    # A type that the corpus does not have gets the code of the type above it:
    # ``sz_foc_ia_nm`` is ``cpsz``, ``sz_uo`` is ``seiz``.
    label = label_of(text)
    if label == OTHER:
        return text
    while label not in _CODE_OF and "_" in label:
        label = label.rpartition("_")[0]
    return _CODE_OF.get(label, label)


def two_classes(text: str) -> str | None:
    """``seiz`` or ``bckg``; None for any other text."""
    label = label_of(text)
    if label == BACKGROUND:
        return BACKGROUND
    return "seiz" if label.split("_")[0] == SEIZURE else None


_NAMES = {name.lower(): name for name in (*CODES.values(), *TERMS)}
