"""
Which files belong to one recording, by their names.

Beat files say their form in their name: ``r.beats.csv``, ``r.rr.csv.gz``
and AURA's ``rr_r.csv`` are of the recording ``r``.
"""

import posixpath

CSV = (".csv", ".csv.gz")
FORMS = (".beats", ".rr")
AURA_PREFIX = "rr_"
_BIDS_SUFFIXES = ("ecg", "eeg")


def is_csv(name: str) -> bool:
    """Whether a file may hold beats, by its ending."""
    return name.lower().endswith(CSV)


def says_beats(name: str) -> bool:
    """Whether a file's name says that it holds beats or RR intervals."""
    base = posixpath.basename(name)
    return is_csv(base) and recording_stem(base) != _without_ending(base)


def recording_stem(path: str) -> str:
    """The path of a recording without what says its format."""
    folder, name = posixpath.split(path)
    stem = _without_ending(name)
    if is_csv(name):
        for form in FORMS:
            if stem.lower().endswith(form) and len(stem) > len(form):
                stem = stem[:-len(form)]
                break
        else:
            if stem.lower().startswith(AURA_PREFIX):
                stem = stem[len(AURA_PREFIX):] or stem
    return posixpath.join(folder, stem)


def events_stem(stem: str) -> str:
    """A recording's name as its BIDS events have it: without modality."""
    run, _, modality = stem.rpartition("_")
    return run if modality in _BIDS_SUFFIXES else stem


def _without_ending(name: str) -> str:
    for ending in reversed(CSV):
        if name.lower().endswith(ending) and len(name) > len(ending):
            return name[:-len(ending)]
    return posixpath.splitext(name)[0]
