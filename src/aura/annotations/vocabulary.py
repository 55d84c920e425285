"""
Labels of annotations: which mean a seizure, and their translations.

Seizure labels are a closed list. Any other text is not a seizure. The codes
of the TUH corpus and the names of HED-SCORE are translated into each other
as by the tools around SzCORE [1]_.

References
----------
.. [1] Dan et al. (2024), SzCORE, https://doi.org/10.1111/epi.18113
"""

import re
from functools import lru_cache

from aura.recording import BACKGROUND, SEIZURE

OTHER = "other"

_SUBTYPE = re.compile(r"sz(?:_[a-z0-9]+)*", re.ASCII)
_HED = re.compile(r"sz(?:_[A-Za-z0-9]+)*", re.ASCII)

# Codes of the TUH corpus and their names in HED-SCORE.
CODES = {
    "seiz": SEIZURE, "fnsz": "sz_foc", "gnsz": "sz_gen",
    "spsz": "sz_foc_a", "cpsz": "sz_foc_ia", "absz": "sz_gen_nm",
    "tnsz": "sz_gen_m_tonic", "cnsz": "sz_gen_m_clonic",
    "tcsz": "sz_gen_m_tonicClonic", "atsz": "sz_gen_m_atonic",
    "mysz": "sz_gen_nm_myoclonic", BACKGROUND: BACKGROUND}
_WORDS = {
    "seizure": SEIZURE, "sz": SEIZURE, "crisis": SEIZURE, "crise": SEIZURE,
    "background": BACKGROUND, "impd": "impd", **CODES}
_CODE_OF = {name.lower(): code for code, name in CODES.items()}


# Most of a hundred thousand annotations have one of a few texts.
@lru_cache(maxsize=1024)
def label_of(text: str) -> str:
    """Label of a text: ``sz...``, ``bckg``, ``impd`` or ``other``."""
    word = text.strip().lower()
    if _SUBTYPE.fullmatch(word):
        return word
    return _WORDS.get(word, OTHER).lower()


def hed(text: str) -> str:
    """
    The HED-SCORE name of a label; any other text as it is.

    ``fnsz`` is ``sz_foc``, ``Seizure`` is ``sz``.
    """
    word = text.strip()
    if _HED.fullmatch(word):
        return word
    label = label_of(word)
    return text if label == OTHER else _WORDS.get(word.lower(), label)


def code(text: str) -> str:
    """
    The TUH code of a label; any other text as it is.

    A type that the corpus does not have gets the code of the type above it:
    ``sz_foc_ia_nm`` is ``cpsz``, ``sz_uo`` is ``seiz``.
    """
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
