"""One request to InfluxDB, and what its answer means."""
# influxdb-client takes a page of HTML for success, and hides retries.

import http.client
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from influxdb_client.client.exceptions import InfluxDBError
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.domain.bucket_retention_rules import BucketRetentionRules
from influxdb_client.rest import ApiException
from influxdb_client.service.delete_service import DeleteService
from influxdb_client.service.write_service import WriteService
from urllib3.util.retry import Retry

from aura import state
from aura.errors import AuraError, PreconditionError
from aura.influx import schema
from aura.settings import Settings

TIMEOUT_S = 30.0
LOOPBACK = ("localhost", "127.0.0.1", "::1")
LONGEST_TEXT = 200
SHORTEST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0  # Before a retry
NOT_REACHED = (urllib3.exceptions.HTTPError, http.client.HTTPException,
               OSError)
TOKEN = re.compile(r"[\x21-\x7e]*")  # What an HTTP header may hold
_TABLE = state.beside(__file__, "faults.toml")
FAULTS, NO_CONNECTION = _TABLE["fault"], _TABLE["no_connection"]
# Its type does not know that there may be no token.
_CLIENT: Any = InfluxDBClient


@dataclass(frozen=True)
class Target:
    """A bucket of an InfluxDB server, and the right to write to it."""

    url: str
    org: str
    bucket: str
    token: str = field(default="", repr=False)  # Never shown
    ca_file: str = ""  # Certificates to trust instead of the system's

    @property
    def name(self) -> str:
        """Its name in reports, without credentials."""
        return f"{self.url} {self.org}/{self.bucket}"

    @classmethod
    def of(cls, settings: Settings) -> "Target | None":
        """The target in the settings, or None if they have none."""
        if not settings.influx_url:
            return None
        _check_url(settings.influx_url)
        for name in ("influx_org", "influx_bucket"):
            if not getattr(settings, name):
                variable = name.upper().replace("INFLUX", "INFLUXDB_V2")
                raise state.error("influx.settings/missing", variable=variable)
        return cls(settings.influx_url.rstrip("/"), settings.influx_org,
                   settings.influx_bucket, _token(settings),
                   settings.influx_ca)


def _proxy(url: str) -> str | None:
    """The proxy that http_proxy or https_proxy names for a server."""
    parts = urlsplit(url)
    if parts.hostname in LOOPBACK or proxy_bypass(parts.netloc):
        return None
    return getproxies().get(parts.scheme)


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
        raise state.error("influx.settings/secret")
    if not good:
        raise state.error("influx.settings/url")


def _token(settings: Settings) -> str:
    token = settings.influx_token
    if not token and settings.influx_token_file:
        try:
            token = Path(settings.influx_token_file).read_text(
                encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise state.error(
                "influx.token_file", why=type(error).__name__) from None
    if not TOKEN.fullmatch(token):
        raise state.error("influx.settings/token")
    return token


@dataclass(frozen=True)
class Selection:
    predicate: str  # In the syntax of InfluxDB's delete API
    start: str  # First and last time, RFC 3339
    stop: str


def earlier_results(patient: str, recording: str, model_id: str,
                    start_ns: int, end_ns: int) -> tuple[Selection, ...]:
    """Results that an earlier export of a recording may have left."""
    # An export overwrites points, but not an event that is now elsewhere.
    chosen: list[dict[str, str]] = [
        {"_measurement": schema.EVENT.name, "layer": schema.ORIGINAL},
        {"_measurement": schema.UNSCORABLE.name}]
    if model_id:
        # Its scores, events, agreement and score.
        chosen.append({"model": model_id[:schema.MODEL_DIGITS]})
    tags = {"patient": patient, "recording": recording}
    return tuple(Selection(
        # A predicate quotes and escapes values as JSON does.
        " AND ".join(f"{name}={json.dumps(value, ensure_ascii=False)}"
                     for name, value in (tags | more).items()),
        _rfc3339(start_ns), _rfc3339(end_ns)) for more in chosen)


def _rfc3339(time_ns: int) -> str:
    seconds, rest = divmod(time_ns, schema.SECOND_NS)
    moment = datetime(1970, 1, 1) + timedelta(seconds=seconds)
    return f"{moment.isoformat()}.{rest:09d}Z"


@dataclass(frozen=True)
class Answer:
    # "refused": at least one line is refused; others may be stored.
    outcome: Literal["done", "retry", "too large", "refused"]
    text: str = ""  # The reason, in a few words
    wait_s: float | None = None  # If the server asks for that


class Store:
    def __init__(self, target: Target, timeout_s: float = TIMEOUT_S) -> None:
        self._target = target
        self._client = _CLIENT(
            target.url, target.token or None, org=target.org,
            timeout=round(timeout_s * 1000), retries=False,
            proxy=_proxy(target.url),
            ssl_ca_cert=target.ca_file or None)
        self._service = WriteService(self._client.api_client)
        self._deleting = DeleteService(self._client.api_client)
        self._bucket_created = False

    def close(self) -> None:
        self._client.close()

    def write(self, packed: bytes) -> Answer:
        """Write compressed lines; create the bucket if it is missing."""
        answer = self._post(packed)
        if isinstance(answer, Answer):
            return answer
        if answer.rule != "influx.bucket" or self._bucket_created:
            raise answer
        failed = self._create_bucket(answer)
        self._bucket_created = failed is None
        return failed or self.write(packed)

    def delete(self, selection: Selection) -> Answer:
        """Delete points; "refused" if the store cannot delete."""
        answer = self._request(
            lambda: self._deleting.post_delete_with_http_info(
                {"start": selection.start, "stop": selection.stop,
                 "predicate": selection.predicate}, org=self._target.org,
                bucket=self._target.bucket, urlopen_kw={"redirect": False}))
        if isinstance(answer, Answer):
            if answer.outcome in ("done", "retry"):
                return answer
        elif answer.rule == "influx.bucket":
            # There is no bucket yet, so there is nothing to delete.
            return Answer("done")
        elif answer.rule != "influx.foreign":
            raise answer
        return Answer("refused", "the server cannot delete")

    def _post(self, packed: bytes) -> Answer | AuraError:
        return self._request(lambda: self._service.post_write_with_http_info(
            self._target.org, self._target.bucket, packed, precision="ns",
            content_encoding="gzip", content_type="text/plain; charset=utf-8",
            urlopen_kw={"redirect": False}))

    @staticmethod
    def _request(send: Callable[[], Any]) -> Answer | AuraError:
        try:
            _, status, _ = send()
        except ApiException as error:
            return _meaning(error)
        except UnicodeDecodeError:
            return _foreign("the answer is not text")
        except NOT_REACHED as error:
            return Answer("retry", _reason(error))
        if status == 204:
            return Answer("done")
        return _foreign(f"it answers {status} instead of 204")

    def _create_bucket(self, missing: AuraError) -> Answer | None:
        """Create the bucket; None if it exists now."""
        try:
            self._client.buckets_api().create_bucket(
                bucket_name=self._target.bucket, org=self._target.org,
                # With another retention the server refuses old recordings.
                retention_rules=BucketRetentionRules(
                    type="expire", every_seconds=0),
                description="ECG, predictions and annotations by AURA "
                "blocks; kept for ever, since recordings may be old")
        except ApiException as error:
            answer = _meaning(error)
            if isinstance(answer, Answer) and answer.outcome == "retry":
                return answer
            # 422: another process has created it in the meantime.
            if error.status != 422:
                raise missing from None
        except NOT_REACHED as error:
            return Answer("retry", _reason(error))
        except (InfluxDBError, ValueError, TypeError, AttributeError):
            # The token may not see the organisation, or it is not JSON.
            raise missing from None
        return None


def _meaning(error: ApiException) -> Answer | AuraError:
    status, text = error.status or 0, _text(error.message)
    if status == 413:
        return Answer("too large", "a line is larger than the server takes")
    for fault in FAULTS:
        if status in fault["statuses"] and fault.get("word", "") in text:
            return PreconditionError(
                fault["rule"], fault["text"], fault["fix"])
    if status in (400, 422):
        return Answer("refused", text)
    if status in (408, 425, 429) or status >= 500 and status not in (501, 505):
        return Answer("retry", f"it answers {status}",
                      _wait(error.retry_after))
    return _foreign(f"it answers {status}")


def _foreign(text: str) -> AuraError:
    return state.error("influx.foreign", why=text)


def _wait(retry_after: str | None) -> float | None:
    """Seconds that a server asks to wait, within sensible limits."""
    if retry_after is None:
        return None
    try:
        wanted_s = Retry().parse_retry_after(retry_after)
    except (urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
        return None
    return min(max(wanted_s, SHORTEST_WAIT_S), LONGEST_WAIT_S)


def _reason(error: Exception) -> str:
    """Why a connection failed; the error's own text may hold addresses."""
    name = type(error).__name__
    return str(NO_CONNECTION.get(name, name))


def _text(message: Any) -> str:
    """A server's message without the line that it quotes, with values."""
    text = message.decode("utf-8", "replace") if isinstance(
        message, bytes) else str(message)
    text = re.sub(r"'.*'", "a line", text, flags=re.DOTALL)
    text = "".join(one if one.isprintable() else " " for one in text)
    return text[:LONGEST_TEXT]
