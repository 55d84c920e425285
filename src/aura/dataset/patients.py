"""Whose a recording is, and the alias under which the patient is known."""
# An identity does not depend on the folder that is searched: nobody must be on
# both sides of a split. Patients who cannot be told apart are one.

import hashlib
import hmac
import posixpath
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from aura import state
from aura.dataset.names import recording_stem
from aura.folder import Folder

_BIDS = re.compile(r"(sub-[^_/]+)")
# Words of a patient field and ends of a folder that are no patient.
_WORDS: dict[str, list[str]] = state.beside(__file__)
_NOBODY, _SHARED = (frozenset(_WORDS[name]) for name in ("nobody", "shared"))
_PLACEHOLDER = re.compile("[x_]*|0")
_BIRTH = re.compile(r"\d{1,2}[-.][^\W_]{2,9}[-.]\d{2,4}")
# A code in two words, such as ``S 01``; other numbers may be an age or a year.
_TWO_WORDS = re.compile(
    r"(?:(?![mfwx] )[^\W\d_] |[^\W\d_]+ (?=0\d))\d{1,4}(?= |\Z)", re.I)
_SESSION = re.compile(
    rf"(?<=.)[ _-]+(?:(?:{'|'.join(_WORDS['sessions'])})[ _-]*\d+|"
    r"(?:19|20)\d\d[-_.]?\d\d[-_.]?\d\d(?:[T _-]+[\d-]+)?|\(\d+\))\Z",
    re.IGNORECASE)
FOLDER, FILE = "folder", "file name"
_TUSZ = re.compile(r"(.+)_s\d{3}_t\d{3}", re.ASCII)


@dataclass(frozen=True)
class Patient:
    """Whom a recording is of; the name is for the user's own machine only."""

    name: str
    source: str  # What names the patient

    @property
    def doubtful(self) -> bool:
        """Whether two people may have this name, or one person two."""
        return self.source in (FOLDER, FILE)


def identity_of(folder: Folder, path: str,
                header_patient: str = "") -> Patient:
    """The patient of a file in a folder."""
    # With the folder's own name a patient is the same whether the whole
    # collection, one of its folders or a single file is read.
    return patient_identity(
        posixpath.join(folder.root.name, path), header_patient)


def patient_identity(path: str, header_patient: str) -> Patient:
    """The patient of a recording, by the first rule that applies."""
    # BIDS ``sub-XXX``, TUSZ name, the header's patient unless it names nobody,
    # the folder without a day or session at its end, the name of the file.
    *folders, name = unicodedata.normalize("NFC", path).split("/")
    stem = recording_stem(name)
    for part in (*folders, stem):
        match = _BIDS.match(part)
        if match:
            return Patient(match[1], "BIDS name")
    match = _TUSZ.fullmatch(stem)
    if match:
        return Patient(match[1], "TUSZ name")
    code = _code(unicodedata.normalize("NFC", header_patient))
    known = code.strip("()[]<>?*.-").lower()
    if known not in _NOBODY and not _PLACEHOLDER.fullmatch(known):
        return Patient(code, "header")
    if folders:
        # A folder that is only a day or session belongs to the one above.
        own = [part for part in folders
               if _SESSION.sub("", f"x_{part}") != "x"] or folders
        return Patient(_SESSION.sub("", own[-1]), FOLDER)
    return Patient(stem, FILE)


def _code(field: str) -> str:
    """The first word of a patient field, with the one that tells it apart."""
    code = field.split(" ")[0]
    if not _is_shared(code):
        return match[0] if (match := _TWO_WORDS.match(field)) else code
    # In EDF+ sex and birth date come next; a copy joins words by underscores.
    more = [word for word in re.split("[ _]+", field)[1:]
            if word.strip("#,:.-") and not _is_shared(word)
            and word.lower() not in _NOBODY | {"m", "f"}
            and not _PLACEHOLDER.fullmatch(word.lower())
            and not _BIRTH.fullmatch(word)]
    return f"{code} {more[0]}" if more else ""


def _is_shared(word: str) -> bool:
    """Whether a word, such as ``Pat.-Nr.:``, is before many codes."""
    parts = re.findall(r"\w+", word.lower())
    return bool(parts) and _SHARED.issuperset(parts)


def similar(names: Iterable[str]) -> list[list[str]]:
    """Different names with the same letters and digits: ``S-01``, ``s01``."""
    alike: dict[str, set[str]] = defaultdict(set)
    for name in names:
        plain = "".join(filter(str.isalnum, name.casefold()))
        alike[re.sub(r"(?<!\d)0+(?=\d)", "", plain) or name].add(name)
    return [sorted(one) for one in alike.values() if len(one) > 1]


def alias(kind: Literal["p", "r"], text: str, key: str) -> str:
    """Name of a patient or recording in logs, messages and databases."""
    digest = hmac.new(key.encode("utf-8"), f"{kind}-{text}".encode("utf-8"),
                      hashlib.sha256)
    return f"{kind}-{digest.hexdigest()[:10]}"
