"""
Whose a recording is, and the alias under which that patient is known.

An identity does not depend on the folder that is searched, because one
patient must never be on both sides of a split. Recordings that cannot be
told apart count as one patient: that loses data but leaks nothing.
"""

import hashlib
import hmac
import posixpath
import re
import unicodedata
from typing import Literal

from aura.dataset.names import recording_stem
from aura.folder import Folder

_BIDS = re.compile(r"(sub-[^_/]+)")
_TUSZ = re.compile(r"(.+)_s\d{3}_t\d{3}", re.ASCII)


def identity_of(folder: Folder, path: str, header_patient: str = "") -> str:
    """Identity of the patient of a file in a folder; never show it."""
    # With the folder's own name a patient is the same whether the whole
    # collection, one of its folders or a single file is read.
    return patient_identity(
        posixpath.join(folder.root.name, path), header_patient)


def patient_identity(path: str, header_patient: str) -> str:
    """
    Identity of the patient of a recording.

    The first of these that exists:

    1. the ``sub-XXX`` of a BIDS path, in a folder or the file's name;
    2. the patient of a TUSZ name, ``<patient>_sNNN_tNNN.edf``, which is
       also the patient's folder in v1.5 and v2;
    3. the first word of the header's patient field, in plain EDF too,
       unless it is ``X``;
    4. the folder of the file;
    5. the file's name without its ending and form.
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
    """Name of a patient or recording in logs, messages and databases."""
    digest = hmac.new(key.encode("utf-8"), f"{kind}-{text}".encode("utf-8"),
                      hashlib.sha256)
    return f"{kind}-{digest.hexdigest()[:10]}"
