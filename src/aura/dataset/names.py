"""Names of recordings, and of the files that belong to them."""
# ``r.beats.csv``, ``r.rr.csv.gz`` and AURA's ``rr_r.csv`` belong to ``r``.

import posixpath
import re
import unicodedata

CSV = (".csv", ".csv.gz")
# Files that hold beats if they begin so.
BEATS = (*CSV, ".tsv", ".txt", ".rr", ".rri", ".ibi", ".hrv", ".fit",
         ".fit.gz", ".txt.gz")
PACKED = (".edf.gz", ".bdf.gz")
FORMS = (".beats", ".rr")
AURA_PREFIX = "rr_"
_DEVICE = re.compile("_recording-[^_]*")
_BIDS_SUFFIXES = ("ecg", "eeg", "emg", "ieeg", "meg", "physio")


def may_hold_beats(name: str) -> bool:
    """Whether a file may hold beats, by its ending."""
    return name.lower().endswith(BEATS)


def says_beats(name: str) -> bool:
    """Whether a file's name says that it holds beats or RR intervals."""
    base = posixpath.basename(name)
    return (base.lower().endswith(CSV)
            and recording_stem(base) != _without_ending(base))


def recording_stem(path: str) -> str:
    """The path of a recording without its ending and form."""
    folder, name = posixpath.split(path)
    stem = _without_ending(name)
    if may_hold_beats(name):
        for form in FORMS:
            if stem.lower().endswith(form) and len(stem) > len(form):
                stem = stem[:-len(form)]
                break
        else:
            if stem.lower().startswith(AURA_PREFIX):
                stem = stem[len(AURA_PREFIX):] or stem
    return posixpath.join(folder, stem)


def events_stem(stem: str) -> str:
    """The stem of a recording's BIDS events: without the modality."""
    run, _, modality = stem.rpartition("_")
    # Events are of a run, which may have several devices.
    return _DEVICE.sub("", run) if modality in _BIDS_SUFFIXES else stem


def printable(path: str) -> str:
    """A path with control characters and bytes that are not UTF-8 escaped."""
    shown = path.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(
        c if unicodedata.category(c) != "Cc" else f"\\x{ord(c):02x}"
        for c in shown)


def _without_ending(name: str) -> str:
    for ending in (".csv.gz", ".txt.gz", ".fit.gz", *PACKED, ".tsv.gz"):
        if name.lower().endswith(ending) and len(name) > len(ending):
            return name[:-len(ending)]
    return posixpath.splitext(name)[0]
