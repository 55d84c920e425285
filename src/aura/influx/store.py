"""
One request to InfluxDB, and what its answer means.

influxdb-client carries the request; what it makes of the answer is not
enough: it takes a page of HTML for success, and tells neither what is worth
another attempt nor what is to blame.
"""

import http.client
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import urllib3
from influxdb_client.client.exceptions import InfluxDBError
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.domain.bucket_retention_rules import BucketRetentionRules
from influxdb_client.rest import ApiException
from influxdb_client.service.delete_service import DeleteService
from influxdb_client.service.write_service import WriteService
from urllib3.util.retry import Retry

from aura.errors import PreconditionError
from aura.influx.earlier import Earlier
from aura.influx.target import Target

TIMEOUT_S = 30.0
LONGEST_TEXT = 200
NOT_REACHED = (urllib3.exceptions.HTTPError, http.client.HTTPException,
               OSError)
TOKEN = "set INFLUXDB_V2_TOKEN or INFLUXDB_V2_TOKEN_FILE to a token that "

What = Literal["done", "again", "split", "bad"]

# Nothing of the client is typed.
_CLIENT: Any = InfluxDBClient
_SERVICE: Any = WriteService
_DELETING: Any = DeleteService
_RULES: Any = BucketRetentionRules


@dataclass(frozen=True)
class Answer:
    """What became of a request."""

    # All is stored; worth another attempt later; too large; at least one line
    # is refused and others may be stored.
    what: What
    text: str = ""  # Why, in a few words
    # How long the server wants to be left alone, if it says so.
    wait_s: float | None = None


class Store:
    """A bucket that can be written to."""

    def __init__(self, target: Target,
                 timeout_s: float = TIMEOUT_S) -> None:
        self._target = target
        self._client = _CLIENT(
            target.url, target.token or None, org=target.org,
            timeout=round(timeout_s * 1000), retries=False,
            ssl_ca_cert=target.ca_file or None)
        self._service = _SERVICE(self._client.api_client)
        self._deleting = _DELETING(self._client.api_client)
        self._bucket_made = False

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def write(self, packed: bytes) -> Answer:
        """Send lines, compressed."""
        answer = self._post(packed)
        if isinstance(answer, Answer):
            return answer
        # 404 tells of the bucket or of the organisation.
        if answer.rule != "influx.bucket" or self._bucket_made:
            raise answer
        made = self._make_bucket(answer)
        self._bucket_made = made is None
        return made or self.write(packed)

    def delete(self, earlier: Earlier) -> Answer:
        """Delete points."""
        answer = self._asked(lambda: self._deleting.post_delete_with_http_info(
            {"start": earlier.start, "stop": earlier.stop,
             "predicate": earlier.predicate}, org=self._target.org,
            bucket=self._target.bucket, urlopen_kw={"redirect": False}))
        if isinstance(answer, Answer):
            if answer.what in ("done", "again"):
                return answer
        elif answer.rule == "influx.bucket":
            # Nothing is in what is not there.
            return Answer("done")
        elif answer.rule != "influx.foreign":
            raise answer
        return Answer("bad", "the server cannot delete")

    def _post(self, packed: bytes) -> Answer | PreconditionError:
        return self._asked(lambda: self._service.post_write_with_http_info(
            self._target.org, self._target.bucket, packed,
            precision="ns", content_encoding="gzip",
            content_type="text/plain; charset=utf-8",
            urlopen_kw={"redirect": False}))

    @staticmethod
    def _asked(request: Callable[[], Any]) -> Answer | PreconditionError:
        try:
            _, status, _ = request()
        except ApiException as error:
            return _judged(error.status or 0, _text(error.message),
                           error.retry_after)
        except UnicodeDecodeError:
            return _foreign("an answer that is no text")
        except NOT_REACHED as error:
            return Answer("again", _reason(error))
        if status == 204:
            return Answer("done")
        return _foreign(f"{status} instead of 204")

    def _make_bucket(self, missing: PreconditionError) -> Answer | None:
        """Make the bucket; None when it is there."""
        try:
            self._client.buckets_api().create_bucket(
                bucket_name=self._target.bucket, org=self._target.org,
                # Recordings are of years ago: with any other retention the
                # server refuses their points or drops them one night.
                retention_rules=_RULES(type="expire", every_seconds=0),
                description="ECG, predictions and annotations by AURA "
                "blocks; kept for ever, since recordings may be old")
        except ApiException as error:
            judged = _judged(error.status or 0, _text(error.message),
                             error.retry_after)
            if isinstance(judged, Answer) and judged.what == "again":
                return judged
            # 422: somebody else has made it meanwhile.
            if error.status != 422:
                raise missing from None
        except NOT_REACHED as error:
            return Answer("again", _reason(error))
        except (InfluxDBError, ValueError, TypeError, AttributeError):
            # It may not see the organisation, or the answer is no JSON.
            raise missing from None
        return None


def _judged(status: int, text: str,
            retry_after: str | None) -> Answer | PreconditionError:
    """What an answer other than 204 means."""
    if status == 413:
        return Answer("split", "a line is larger than the server takes")
    if status in (400, 422):
        if "retention" in text:
            return PreconditionError(
                "influx.retention", "the bucket keeps points for too short a "
                "time: the recordings are older",
                "give it infinite retention: influx bucket update --id ID "
                "--retention 0")
        return Answer("bad", text)
    if status in (408, 425, 429) or status >= 500 and status not in (
            501, 505):
        return Answer("again", f"it answers {status}", _wait(retry_after))
    if status == 0:
        return PreconditionError(
            "influx.tls", "no safe connection could be made",
            "look at the server's certificate; INFLUXDB_V2_SSL_CA_CERT names "
            "the file of a private authority")
    if status == 401:
        return PreconditionError(
            "influx.auth", "the server does not know the token",
            TOKEN + "it has made")
    if status == 403:
        return PreconditionError(
            "influx.auth", "the token may not write to this bucket",
            TOKEN + "may")
    if status == 404 and "bucket" in text:
        return PreconditionError(
            "influx.bucket", "the bucket is not there, or not for this "
            "token, and could not be made",
            "make it with infinite retention, or set INFLUXDB_V2_BUCKET")
    if status == 404 and "organization" in text:
        return PreconditionError(
            "influx.org", "the server does not know the organisation",
            "set INFLUXDB_V2_ORG to its name")
    return _foreign(str(status))


def _foreign(what: str) -> PreconditionError:
    return PreconditionError(
        "influx.foreign", f"what answers there is no InfluxDB: {what}",
        "look at INFLUXDB_V2_URL; a proxy or a login page may stand before "
        "the server")


def _wait(retry_after: str | None) -> float | None:
    if retry_after is None:
        return None
    try:
        return Retry().parse_retry_after(retry_after)
    except urllib3.exceptions.InvalidHeader:
        return None


def _reason(error: Exception) -> str:
    """A few words on a connection that failed; texts may hold addresses."""
    name = type(error).__name__
    return {
        "NewConnectionError": "nothing listens there",
        "NameResolutionError": "there is no such host",
        "ConnectTimeoutError": "it cannot be reached",
        "ReadTimeoutError": "it does not answer in time",
        "ProtocolError": "it cuts the connection"}.get(name, name)


def _text(message: Any) -> str:
    """
    A server's message without the line that it quotes.

    What it could not parse stands between single quotes and holds values.
    """
    text = message.decode("utf-8", "replace") if isinstance(
        message, bytes) else str(message)
    text = re.sub(r"'.*'", "a line", text, flags=re.DOTALL)
    text = "".join(one if one.isprintable() else " " for one in text)
    return text[:LONGEST_TEXT]
