"""
All settings in one table. The environment overrides ``config.toml``.

The platform sets only the shared folder in a block's environment.
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

_KINDS = {int: "a whole number", float: "a number"}


def setting(env: str, default: Any, text: str,
            allowed: tuple[float, float] | None = None, *,
            secret: bool = False) -> Any:
    """Declare a setting: variable, default, help text and range."""
    # All users can read ``config.toml``, so no secret is read from it.
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
        "AURA_BATCH_SIZE", 16, "number of recordings per batch", (1, 10_000))
    ecg_channel: str = setting(
        "AURA_ECG_CHANNEL", "",
        "label of the ECG channel, if the automatic choice is wrong; several "
        "with commas are tried in order, and 'A - B' is a difference")
    strict: int = setting(
        "AURA_STRICT", 0,
        "1 rejects files with faults that could be read, such as a cut file, "
        "a wrong number of records or a date in another form", (0, 1))
    prefer: str = setting(
        "AURA_PREFER", "",
        "which file to use when a recording exists both as a waveform and as "
        "beats; without a choice such recordings are rejected")
    seizure_words: str = setting(
        "AURA_SEIZURE_WORDS", "",
        "further words that mean a seizure in annotations, separated by "
        "commas; * is any letters, and !word is a text to ignore")
    patients: str = setting(
        "AURA_PATIENTS", "",
        "CSV or TSV file with the columns recording (a file or a folder) and "
        "patient, which overrules headers and names")
    strict_patients: int = setting(
        "AURA_STRICT_PATIENTS", 0,
        "1 rejects recordings whose patient is named by a folder or file "
        "name only", (0, 1))
    alias_key: str = setting(
        "AURA_ALIAS_KEY", "aura",
        "secret key from which the aliases of patients and recordings are "
        "computed")
    timezone: str = setting(
        "AURA_EDF_TIMEZONE", "UTC",
        "time zone of the recordings' clocks; EDF does not store it")
    influx_url: str = setting(
        "INFLUXDB_V2_URL", "",
        "address of the InfluxDB server; without it only files are written")
    influx_org: str = setting(
        "INFLUXDB_V2_ORG", "", "organisation on the InfluxDB server")
    influx_bucket: str = setting(
        "INFLUXDB_V2_BUCKET", "",
        "bucket on the InfluxDB server; created if the token permits it")
    influx_token: str = setting(
        "INFLUXDB_V2_TOKEN", "", "token with permission to write",
        secret=True)
    influx_token_file: str = setting(
        "INFLUXDB_V2_TOKEN_FILE", "", "file that contains the token",
        secret=True)
    influx_ca: str = setting(
        "INFLUXDB_V2_SSL_CA_CERT", "",
        "file of certificates to trust instead of the system's")
    influx_patience_s: float = setting(
        "AURA_INFLUX_PATIENCE_S", 60.0,
        "seconds to wait for a server that is unavailable or busy",
        (0, 86_400))
    export_raw: str = setting(
        "AURA_EXPORT_RAW", "events",
        "samples to export besides the rollups: events (those within a minute "
        "of an event), all or none")
    export_features: str = setting(
        "AURA_EXPORT_FEATURES",
        "hr_rise,hr_over_p95,hr_z,sdnn,rmssd,lf_hf_ratio,csi,sampen",
        "features to export, separated by commas, or all")
    hop_s: float = setting(
        "AURA_HOP_S", 1.0, "seconds from one analysis window to the next",
        (0.1, 10))
    target_far: float = setting(
        "AURA_TARGET_FAR", 1.0,
        "target rate of false alarms per 24 h, for which the alarm threshold "
        "is chosen", (0, 1000))
    adapt_after_h: float = setting(
        "AURA_ADAPT_AFTER_H", 0.0,
        "scorable hours after which a recording's own past may raise its "
        "alarm threshold; 0 means never (training) or as the model was "
        "trained (prediction)", (0, 24))
    annotated_only: int = setting(
        "AURA_ANNOTATED_ONLY", 0,
        "1 leaves out folders without any annotation; with 0, if other "
        "folders are annotated, they count as free of seizures", (0, 1))
    seed: int = setting(
        "AURA_SEED", 1, "random seed of training", (0, 2 ** 32 - 1))
    model: str = setting(
        "AURA_MODEL", "",
        "folder of the model; without it the model trained last is used")
    run_id: str = setting(
        "AURA_RUN_ID", "",
        "name of the run; the same name repeats a run; without it each run "
        "gets a new name")
    only_new: int = setting(
        "AURA_ONLY_NEW", 0,
        "1 returns only recordings that no earlier run has finished", (0, 1))
    web_port: int = setting(
        "AURA_WEB_PORT", 0,
        "port of the exporter's review page, 8062 on the platform; 0 means "
        "no page", (0, 65535))
    web_host: str = setting(
        "AURA_WEB_HOST", "127.0.0.1",
        "address of the review page; any address but loopback needs a token")
    web_names: str = setting(
        "AURA_WEB_NAMES", "",
        "further host names of the review page, separated by commas")
    workers: int = setting(
        "AURA_WORKERS", 0,
        "number of processes or threads; 0 means one per processor",
        (0, 1024))

    def __post_init__(self) -> None:
        for entry in fields(self):
            value, allowed = (
                getattr(self, entry.name), entry.metadata["allowed"])
            # Written so that NaN is out of every range.
            if allowed and not allowed[0] <= value <= allowed[1]:
                raise InvalidInputError(
                    "settings.value", f"{entry.metadata['env']} "
                    f"({entry.name}) is {value:g}", "it must be between "
                    f"{allowed[0]:.15g} and {allowed[1]:.15g}")

    @classmethod
    def load(cls, shared: Path | None = None,
             environ: Mapping[str, str] | None = None) -> "Settings":
        environ = os.environ if environ is None else environ
        given = _read_config(shared / CONFIG_FILE) if shared else {}
        for entry in fields(cls):
            text = environ.get(entry.metadata["env"], "")
            if text:
                given[entry.name] = _parse(
                    entry.metadata["env"], text, type(entry.default))
        return cls(**given)


def shared_folder(environ: Mapping[str, str] | None = None) -> Path:
    """The shared folder, as an absolute path."""
    # The platform sets it to the mount point without its leading slash.
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
            "correct or remove it") from None
    except ValueError as error:
        raise InvalidInputError(
            "settings.file", f"{CONFIG_FILE} is not valid TOML: {error}",
            "correct or remove it") from None
    secrets = {entry.name: entry.metadata["env"] for entry in fields(Settings)
               if entry.metadata["secret"]}
    types = {entry.name: type(entry.default) for entry in fields(Settings)
             if entry.name not in secrets}
    for key, value in content.items():
        if key in secrets:
            raise InvalidInputError(
                "settings.secret", f"{CONFIG_FILE} contains {key}, and every "
                "user of the shared folder can read it",
                f"remove it, create a new token, and set {secrets[key]}")
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
