"""Where points go: server, organisation, bucket, and the right to write."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from aura.errors import InvalidInputError, PreconditionError
from aura.settings import Settings

# What may stand in an HTTP header.
_TOKEN = re.compile(r"[\x21-\x7e]*")


@dataclass(frozen=True)
class Target:
    """A bucket of an InfluxDB server."""

    url: str  # Server, organisation and bucket
    org: str
    bucket: str
    # Never shown; empty for a store that asks for none.
    token: str = field(default="", repr=False)
    # Certificates to trust instead of the system's, or empty.
    ca_file: str = ""

    @property
    def name(self) -> str:
        """What reports call it; no credentials are in it."""
        return f"{self.url} {self.org}/{self.bucket}"

    @classmethod
    def of(cls, settings: Settings) -> "Target | None":
        """The target that the settings name, or None where they name none."""
        if not settings.influx_url:
            return None
        _check_url(settings.influx_url)
        for name in ("influx_org", "influx_bucket"):
            if not getattr(settings, name):
                raise InvalidInputError(
                    "influx.settings", "INFLUXDB_V2_URL is set, INFLUXDB_V2_"
                    f"{name.removeprefix('influx_').upper()} is not",
                    "set both, or neither to write files only")
        return cls(settings.influx_url.rstrip("/"), settings.influx_org,
                   settings.influx_bucket, _token(settings),
                   settings.influx_ca)


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname)
        secret = parts.username is not None or bool(
            parts.query or parts.fragment)
        assert parts.port is None or parts.port
    except (ValueError, AssertionError):
        good, secret = False, False
    if secret:
        raise InvalidInputError(
            "influx.settings", "INFLUXDB_V2_URL holds more than the address "
            "of a server", "credentials belong into INFLUXDB_V2_TOKEN")
    if not good:
        raise InvalidInputError(
            "influx.settings", "INFLUXDB_V2_URL is no address of a server",
            "give one like http://localhost:8086")


def _token(settings: Settings) -> str:
    token = settings.influx_token
    if not token and settings.influx_token_file:
        try:
            token = Path(settings.influx_token_file).read_text(
                encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise PreconditionError(
                "influx.token_file", "the file that INFLUXDB_V2_TOKEN_FILE "
                f"names cannot be read: {type(error).__name__}",
                "mount the secret, or set INFLUXDB_V2_TOKEN") from None
    if not _TOKEN.fullmatch(token):
        raise InvalidInputError(
            "influx.settings", "the InfluxDB token holds characters that no "
            "token has", "copy it anew, without blanks and line breaks")
    return token
