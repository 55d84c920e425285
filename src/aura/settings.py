"""
All settings in one table: environment over ``config.toml`` over defaults.

The platform generates no environment but the shared folder's name, so a
file on that folder is the only knob a user of the canvas has.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from aura.errors import AuraError, InvalidInputError, MissingError
from aura.folder import Folder

SHARED_FOLDER_DEFAULT = "/data/shared"
CONFIG_FILE = "config.toml"


_KINDS = {int: "whole number", float: "number"}


def setting(env: str, default: Any, text: str,
            allowed: tuple[float, float] | None = None, *,
            secret: bool = False) -> Any:
    """
    Declare a setting: environment variable, default, text and range.

    A secret is never shown, and never read from ``config.toml``: whoever
    sees the shared folder would have it.
    """
    return field(default=default, repr=not secret, metadata={
        "env": env, "text": text, "allowed": allowed, "secret": secret})


@dataclass(frozen=True)
class Settings:
    """Settings of all blocks; the key in ``config.toml`` is the field name."""

    training: str = setting(
        "AURA_TRAINING", "training",
        "folder of annotated recordings, relative to the shared folder")
    recordings: str = setting(
        "AURA_RECORDINGS", "recordings",
        "folder of recordings to predict, relative to the shared folder")
    batch_size: int = setting(
        "AURA_BATCH_SIZE", 16, "recordings in one batch", (1, 10_000))
    ecg_channel: str = setting(
        "AURA_ECG_CHANNEL", "",
        "label of the ECG channel, where the rule would choose another")
    prefer: str = setting(
        "AURA_PREFER", "",
        "form to use of a recording that is there in two: ecg, beats or rr")
    alias_key: str = setting(
        "AURA_ALIAS_KEY", "aura",
        "secret from which aliases of patients and recordings are made")
    timezone: str = setting(
        "AURA_EDF_TIMEZONE", "UTC",
        "time zone of the recordings' clocks, which EDF does not say")
    influx_url: str = setting(
        "INFLUXDB_V2_URL", "", "InfluxDB server to write to; else files only")
    influx_org: str = setting(
        "INFLUXDB_V2_ORG", "", "its organisation")
    influx_bucket: str = setting(
        "INFLUXDB_V2_BUCKET", "", "its bucket; made if the token may")
    influx_token: str = setting(
        "INFLUXDB_V2_TOKEN", "", "the right to write there", secret=True)
    influx_token_file: str = setting(
        "INFLUXDB_V2_TOKEN_FILE", "", "file that holds the token",
        secret=True)
    influx_ca: str = setting(
        "INFLUXDB_V2_SSL_CA_CERT", "",
        "file of certificates to trust instead of the system's")
    influx_patience_s: float = setting(
        "AURA_INFLUX_PATIENCE_S", 60.0,
        "seconds to wait for a server that is away or busy", (0, 86_400))
    export_raw: str = setting(
        "AURA_EXPORT_RAW", "events",
        "samples exported besides the rollups: events (a minute around "
        "each), all, none")
    export_features: str = setting(
        "AURA_EXPORT_FEATURES",
        "hr_rise,hr_over_p95,hr_z,sdnn,rmssd,lf_hf_ratio,csi,sampen",
        "features exported, with commas between, or all")
    hop_s: float = setting(
        "AURA_HOP_S", 1.0, "seconds from one analysis window to the next",
        (0.1, 10))
    target_far: float = setting(
        "AURA_TARGET_FAR", 1.0,
        "false alarms per 24 h at which the alarm threshold is set",
        (0, 1000))
    adapt_after_h: float = setting(
        "AURA_ADAPT_AFTER_H", 0.0,
        "scorable hours after which a recording's own past may raise its "
        "alarm threshold; 0 for never, or as the model says", (0, 24))
    annotated_only: int = setting(
        "AURA_ANNOTATED_ONLY", 0,
        "1 leaves out folders in which nothing is annotated; else, beside "
        "annotated ones, they count as free of seizures", (0, 1))
    seed: int = setting(
        "AURA_SEED", 1, "seed of everything random in a training",
        (0, 2 ** 32 - 1))
    model: str = setting(
        "AURA_MODEL", "", "folder of the model; else the latest trained one")
    run_id: str = setting(
        "AURA_RUN_ID", "",
        "name of the run; a run of the same name is repeated. Else each run "
        "makes a name of its own")
    only_new: int = setting(
        "AURA_ONLY_NEW", 0,
        "1 hands out only recordings that no earlier run has finished with",
        (0, 1))
    web_port: int = setting(
        "AURA_WEB_PORT", 0,
        "port of the exporter's review page, 8062 on the platform; 0 for "
        "none", (0, 65535))
    web_host: str = setting(
        "AURA_WEB_HOST", "127.0.0.1",
        "address of the review page; beyond loopback a token is needed")
    web_names: str = setting(
        "AURA_WEB_NAMES", "",
        "further host names by which the review page may be called, "
        "separated by commas")
    workers: int = setting(
        "AURA_WORKERS", 0, "processes or threads; 0 takes all processors",
        (0, 1024))

    def __post_init__(self) -> None:
        for entry in fields(self):
            value, allowed = (
                getattr(self, entry.name), entry.metadata["allowed"])
            # Written so that NaN is out of every range.
            if allowed and not allowed[0] <= value <= allowed[1]:
                raise InvalidInputError(
                    "settings.value", f"{entry.metadata['env']} "
                    f"({entry.name}) is {value:g}",
                    f"{allowed[0]:.15g} to {allowed[1]:.15g} are allowed")

    @classmethod
    def load(cls, shared: Path | None = None,
             environ: Mapping[str, str] | None = None) -> "Settings":
        """Read settings from the environment and the shared folder."""
        environ = os.environ if environ is None else environ
        given = _read_config(shared / CONFIG_FILE) if shared else {}
        for entry in fields(cls):
            text = environ.get(entry.metadata["env"], "")
            if text:
                given[entry.name] = _parse(
                    entry.metadata["env"], text, type(entry.default))
        return cls(**given)


def shared_folder(environ: Mapping[str, str] | None = None) -> Path:
    """
    The shared folder, as an absolute path.

    The platform sets ``SHARED_FOLDER_PATH`` to the name of the shared-folder
    node, without the leading slash of the place where it is mounted.
    """
    environ = os.environ if environ is None else environ
    text = environ.get("SHARED_FOLDER_PATH") or SHARED_FOLDER_DEFAULT
    return Path("/") / text


def _read_config(path: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(
            Folder(path.parent).read(path.name).decode("utf-8"))
    except MissingError:
        return {}
    except AuraError as error:
        raise InvalidInputError(
            "settings.file", f"{CONFIG_FILE} cannot be read: {error.text}",
            "mend it or remove it") from None
    except ValueError as error:
        raise InvalidInputError(
            "settings.file", f"{CONFIG_FILE} is no TOML: {error}",
            "mend it or remove it") from None
    secrets = {entry.name: entry.metadata["env"] for entry in fields(Settings)
               if entry.metadata["secret"]}
    types = {entry.name: type(entry.default) for entry in fields(Settings)
             if entry.name not in secrets}
    for key, value in content.items():
        if key in secrets:
            raise InvalidInputError(
                "settings.secret", f"{CONFIG_FILE} holds {key}, which "
                "everybody who reads the folder would have",
                f"remove it and set {secrets[key]}; make the token anew")
        if key not in types:
            raise InvalidInputError(
                "settings.unknown", f"{CONFIG_FILE} has the key {key!r}",
                "known keys are " + ", ".join(sorted(types)))
        content[key] = _parse(f"{CONFIG_FILE}: {key}", str(value), types[key])
    return content


def _parse(name: str, text: str, kind: type) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise InvalidInputError(
            "settings.value", f"{name} is {text[:60]!r}, which is no "
            f"{_KINDS[kind]}") from None
