"""The settings: the environment over ``config.toml`` on the shared folder."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from aura import state
from aura.errors import AuraError, InvalidInputError, MissingError
from aura.folder import Folder

SHARED_FOLDER_DEFAULT = "/data/shared"
CONFIG_FILE = "config.toml"

_KINDS = {int: "a whole number", float: "a number"}


@dataclass(frozen=True)
class About:
    """What ``settings.toml`` tells of a setting."""

    env: str  # Environment variable
    text: str
    allowed: tuple[float, ...] = ()  # Smallest and largest value
    secret: bool = False  # All users can read ``config.toml``


ABOUT: Mapping[str, About] = {
    name: About(**about) for name, about in state.beside(__file__).items()}


@dataclass(frozen=True)
class Settings:
    """Settings of all blocks; the key in ``config.toml`` is the field name."""

    training: str = "training"
    recordings: str = "recordings"
    batch_size: int = 16
    ecg_channel: str = ""
    strict: int = 0
    prefer: str = ""
    seizure_words: str = ""
    patients: str = ""
    strict_patients: int = 0
    alias_key: str = "aura"
    timezone: str = "UTC"
    influx_url: str = ""
    influx_org: str = ""
    influx_bucket: str = ""
    influx_token: str = field(default="", repr=False)
    influx_token_file: str = field(default="", repr=False)
    influx_ca: str = ""
    influx_patience_s: float = 60.0
    export_raw: str = "events"
    export_features: str = (
        "hr_rise,hr_over_p95,hr_z,sdnn,rmssd,lf_hf_ratio,csi,sampen")
    hop_s: float = 1.0
    target_far: float = 1.0
    adapt_after_h: float = 0.0
    annotated_only: int = 0
    seed: int = 1
    model: str = ""
    run_id: str = ""
    sinks: str = ""
    only_new: int = 0
    web_port: int = 0
    web_host: str = "127.0.0.1"
    web_names: str = ""
    workers: int = 0

    def __post_init__(self) -> None:
        for name, about in ABOUT.items():
            value = getattr(self, name)
            # Written so that NaN is out of every range.
            if about.allowed and not (
                    about.allowed[0] <= value <= about.allowed[1]):
                raise InvalidInputError(
                    "settings.value", f"{about.env} ({name}) is {value:g}",
                    f"it must be between {about.allowed[0]:.15g} and "
                    f"{about.allowed[1]:.15g}")

    @property
    def threads(self) -> int:
        """The number of workers, with 0 as one per allotted processor."""
        return self.workers or processors()

    @classmethod
    def load(cls, shared: Path | None = None,
             environ: Mapping[str, str] = os.environ) -> "Settings":
        given = _read_config(shared / CONFIG_FILE) if shared else {}
        for entry in fields(cls):
            variable = ABOUT[entry.name].env
            if text := environ.get(variable, ""):
                given[entry.name] = _parse(variable, text, type(entry.default))
        return cls(**given)


def processors(root: Path = Path("/sys/fs/cgroup")) -> int:
    """How many processors this process may use, by affinity and cgroup."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:
        count = os.cpu_count() or 1
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us",
                                 "cpu/cpu.cfs_period_us")):
        try:
            quota, period = map(int, " ".join(
                (root / name).read_text() for name in names).split())
        # No such group, or no limit: "max", and -1 in older ones.
        except (OSError, ValueError):
            continue
        if quota > 0 < period:
            count = min(count, max(round(quota / period), 1))
    return count


def shared_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """The shared folder, as an absolute path."""
    # The platform sets it to the mount point without its leading slash.
    text = environ.get("SHARED_FOLDER_PATH") or SHARED_FOLDER_DEFAULT
    return Path("/") / text


def _read_config(path: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(
            Folder(path.parent).read(path.name).decode("utf-8"))
    except MissingError:
        return {}
    except (AuraError, ValueError, RecursionError) as error:
        why = (f"cannot be read: {error.text}" if isinstance(error, AuraError)
               else f"is not valid TOML: {error}")
        raise InvalidInputError("settings.file", f"{CONFIG_FILE} {why}",
                                "correct or remove it") from None
    types = {entry.name: type(entry.default) for entry in fields(Settings)
             if not ABOUT[entry.name].secret}
    for key, value in content.items():
        if key in ABOUT and key not in types:
            raise InvalidInputError(
                "settings.secret", f"{CONFIG_FILE} contains {key}, and every "
                "user of the shared folder can read it",
                f"remove it, create a new token, and set {ABOUT[key].env}")
        if key not in types:
            raise InvalidInputError(
                "settings.unknown", f"{CONFIG_FILE} has the unknown key "
                f"{key!r}", "the keys are " + ", ".join(sorted(types)))
        content[key] = _parse(f"{CONFIG_FILE}: {key}", str(value), types[key])
    return content


def _parse(name: str, text: str, kind: type) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise InvalidInputError(
            "settings.value", f"{name} is {text[:60]!r}",
            f"it must be {_KINDS[kind]}") from None
