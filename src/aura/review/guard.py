"""Access to the review page: host names, token and origin of each request."""

import hmac
import ipaddress
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aura import state

COOKIE = "aura_review"
HEADER = "x-aura-review"
SHORTEST_TOKEN = 16
NAMES = ("localhost", "127.0.0.1", "::1")
POLICY = "; ".join((
    "default-src 'none'", "script-src 'self'", "style-src 'self'",
    "img-src 'self'", "connect-src 'self'", "base-uri 'none'",
    "form-action 'none'", "frame-ancestors 'none'",
    "require-trusted-types-for 'script'", "trusted-types 'none'"))
HEADERS = {"content-security-policy": POLICY,
           "x-content-type-options": "nosniff",
           "referrer-policy": "no-referrer",
           "cross-origin-opener-policy": "same-origin",
           "cross-origin-resource-policy": "same-origin",
           "permissions-policy": "camera=(), microphone=(), geolocation=()",
           "cache-control": "no-store"}


@dataclass(frozen=True)
class Access:
    host: str = "127.0.0.1"  # Address to bind
    token: str = ""  # What a browser must send; ``""`` on loopback
    names: tuple[str, ...] = ()  # Further host names of the page
    secret: bool = False  # The user knows the token, so nothing prints it

    @classmethod
    def to(cls, host: str, environ: Mapping[str, str],
           web_names: str = "") -> "Access":
        """Access for an address to bind; further names as in the settings."""
        names = tuple(filter(None, map(str.strip, web_names.split(","))))
        token = environ.get("AURA_WEB_TOKEN", "")
        if token and (len(token) < SHORTEST_TOKEN or not token.isascii()
                      or not token.isalnum()):
            raise state.error("review.token", least=SHORTEST_TOKEN)
        if not token and not is_loopback(host):
            return cls(host, secrets.token_hex(24), names)
        return cls(host, token, names, secret=bool(token))


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


class Guard:
    """ASGI middleware that refuses requests without access."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access
        self._own_names = {one.lower() for one in access.names}

    async def __call__(self, scope: Scope, receive: Receive,
                       send: Send) -> None:
        if scope["type"] == "http":
            answer = self._refusal(Request(scope)) or self._app
            await answer(scope, receive, _with_headers(send))

    def _refusal(self, request: Request) -> Response | None:
        host = request.headers.get("host", "")
        if not self._is_known(host):
            return _refused(421, "unknown host name; open the printed "
                            "address, or add the name to AURA_WEB_NAMES")
        if self._access.token:
            given = request.query_params.get("token", "")
            if request.scope["path"] == "/" and self._is_token(given):
                answer = RedirectResponse("./", 303)
                answer.set_cookie(COOKIE, given, httponly=True,
                                  samesite="strict", path="/")
                return answer
            if not self._is_token(request.cookies.get(COOKIE, "")):
                return _refused(
                    401, "token required; open the printed address")
        if request.method not in ("GET", "HEAD"):
            return self._foreign(request.headers, host)
        return None

    def _foreign(self, headers: Headers, host: str) -> Response | None:
        """The refusal of a change that another page has sent."""
        origin = headers.get("origin")
        if (headers.get(HEADER) != "1"
                or headers.get("sec-fetch-site",
                               "same-origin") != "same-origin"
                or headers.get("content-type", "").split(";")[0].strip()
                != "application/json"):
            return _refused(403, "only the review page may send changes")
        netloc = (origin or "").partition("//")[2]
        # Behind a proxy the browser and this server know other names.
        if (origin is None or netloc == host
                or _name(netloc) in self._own_names):
            return None
        return _refused(403, "this address of the page is not known; behind "
                        "a proxy, add its host name to AURA_WEB_NAMES")

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(
            given.encode("utf-8", "replace"), self._access.token.encode())

    def _is_known(self, host: str) -> bool:
        # Another web site may point its own name to this machine.
        name = _name(host)
        if name in {*NAMES, self._access.host.strip("[]").lower(),
                    *self._own_names}:
            return True
        # DNS rebinding needs a name, so with a token any number will do.
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return bool(self._access.token)


def _name(netloc: str) -> str:
    """The host name of an address, without a port; "" if it is none."""
    try:
        return (urlsplit(f"//{netloc}").hostname or "").lower()
    except ValueError:
        return ""


def _refused(status: int, text: str) -> Response:
    return PlainTextResponse(f"aura review: {text}\n", status)


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)
    return sending
