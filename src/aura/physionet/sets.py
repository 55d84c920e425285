"""The sets of ``sets.toml``, which can be fetched; licence and citation."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from aura import state

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


def _sets() -> Iterator[OpenSet]:
    for name, about in state.beside(__file__).items():
        for key in ("title", "citation"):
            about[key] = " ".join(about[key].split())
        yield OpenSet(name, **about)


SETS = {one.name: one for one in _sets()}
