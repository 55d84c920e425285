"""
The sets that can be fetched, with licence, citation and patients.

The patients matter most: if three records are of one woman and the set does
not name her, she would be on both sides of a split.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

BASE_URL = "https://physionet.org/files/"
PHYSIONET = (
    "Goldberger, A. L. et al. (2000). PhysioBank, PhysioToolkit, and "
    "PhysioNet. Circulation, 101(23), e215-e220. "
    "https://doi.org/10.1161/01.CIR.101.23.e215")
LICENCE = (
    "Open Data Commons Attribution License v1.0, "
    "https://opendatacommons.org/licenses/by/1-0/")


@dataclass(frozen=True)
class OpenSet:
    """One set."""

    name: str  # As in its address
    version: str
    title: str
    citation: str
    signals: bool  # Whether it has waveforms, or only beats
    annotator: str  # Ending of the files with the beats
    beats: str  # How the beats were found
    # Folder (or code) of the patient of records that share one.
    patients: Mapping[str, str] = field(default_factory=dict)
    seizures: str = ""  # Name of the file with all seizures, if there is one

    def url(self, base: str = BASE_URL) -> str:
        """Address of its files."""
        return f"{base.rstrip('/')}/{self.name}/{self.version}/"


SETS = {one.name: one for one in (
    OpenSet(
        "szdb", "1.0.0", "Post-Ictal Heart Rate Oscillations in Partial "
        "Epilepsy: 7 recordings of 5 patients with 10 partial seizures, one "
        "ECG lead", "Al-Aweel, I. C. et al. (1999). Post-ictal heart rate "
        "oscillations in partial epilepsy. Neurology, 53(7), 1590-1592. "
        "https://doi.org/10.13026/C2QC72",
        True, "ari", "automatic, unaudited",
        # The release does not name the patients. Its paper has five; by the
        # shape of their beats, three records are of one woman.
        {"sz01": "szA", "sz02": "szB", "sz03": "szB", "sz04": "szB",
         "sz05": "szC", "sz06": "szD", "sz07": "szE"}, "times.seize"),
    OpenSet(
        "mitdb", "1.0.0", "MIT-BIH Arrhythmia Database: 48 half hours of 47 "
        "people, no epilepsy; one of the two leads is kept",
        "Moody, G. B. and Mark, R. G. (2001). The impact of the MIT-BIH "
        "Arrhythmia Database. IEEE Eng. Med. Biol., 20(3), 45-50. "
        "https://doi.org/10.13026/C2F305",
        True, "atr", "by two cardiologists",
        {"202": "mit201"}),
    OpenSet(
        "nsr2db", "1.0.0", "Normal Sinus Rhythm RR Interval Database: RR "
        "intervals of 54 people without epilepsy, about 24 h each",
        "Stein, P. and Goldsmith, R. (2003). Congestive Heart Failure and "
        "Normal Sinus Rhythm RR Interval Databases. PhysioNet, "
        "https://physionet.org/content/nsr2db/1.0.0/",
        False, "ecg", "automatic, corrected by hand"),
)}
