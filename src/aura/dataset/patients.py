"""
Who a recording is of, and what that person is called outside.

An identity is the same wherever a patient's recordings lie: it is not scoped
by the folder that was given, since one patient must never be on both sides
of a split. Where the rule cannot tell two people apart it takes them for
one, which costs data but never honesty.
"""

import hashlib
import hmac
import re
import unicodedata
from typing import Literal

from aura.dataset.names import recording_stem

_BIDS = re.compile(r"(sub-[^_/]+)")
_TUSZ = re.compile(r"(.+)_s\d{3}_t\d{3}", re.ASCII)


def patient_identity(path: str, header_patient: str) -> str:
    """
    Identity of the patient of a recording.

    The first of these that is there:

    1. the ``sub-XXX`` of a BIDS path, in a folder or the file's name;
    2. the patient of a TUSZ name, ``<patient>_sNNN_tNNN.edf``, as the
       patient's folder is called in v1.5 and v2;
    3. the first word of the header's patient field, in plain EDF too,
       unless it is ``X``;
    4. the folder that the file lies in;
    5. the file's name without what says its format.
    """
    *folders, name = unicodedata.normalize("NFC", path).split("/")
    stem = recording_stem(name)
    for part in (*folders, stem):
        match = _BIDS.match(part)
        if match:
            return match[1]
    match = _TUSZ.fullmatch(stem)
    if match:
        return match[1]
    code = unicodedata.normalize("NFC", header_patient).split(" ")[0]
    if code not in ("", "X", "x"):
        return code
    return folders[-1] if folders else stem


def alias(kind: Literal["p", "r"], text: str, key: str) -> str:
    """Name of a patient or recording for logs, messages and databases."""
    digest = hmac.new(key.encode("utf-8"), f"{kind}-{text}".encode("utf-8"),
                      hashlib.sha256)
    return f"{kind}-{digest.hexdigest()[:10]}"
