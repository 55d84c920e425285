"""
The page over HTTP: static files, data, and the one change there is.

No request names a file: recordings go by keys, static files by a list.
"""

import json
import logging
import socket
import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from aura.errors import (
    AuraError,
    ForbiddenError,
    InvalidInputError,
    MissingError,
    PreconditionError,
    ResourceError,
)
from aura.review.desk import Desk
from aura.review.guard import Access, Guard
from aura.review.journal import Change, ConflictError, FollowingError
from aura.review.opening import on_share
from aura.review.script import STATIC, script
from aura.settings import Settings

LARGEST_CHANGE = 16_384
SCRIPT = "main.js"
TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css",
         ".js": "text/javascript", ".svg": "image/svg+xml"}
STATUS: tuple[tuple[type[AuraError], int], ...] = (
    (ConflictError, 409), (FollowingError, 409),
    (MissingError, 404), (ForbiddenError, 403),
    (PreconditionError, 503), (ResourceError, 507))
DISPOSITION = 'attachment; filename="review{}"'

_LOG = logging.getLogger(__name__)


def application(desk: Desk, access: Access) -> Guard:
    """The ASGI application."""
    def give(work: Callable[[Request], Response]) -> Any:
        async def answer(request: Request) -> Response:
            try:
                return await run_in_threadpool(work, request)
            except AuraError as error:
                return _failed(error)
            except OSError as error:
                return _failed(ResourceError(
                    "path.read", f"reading failed: {error.strerror}"))
            except Exception as error:
                return _broken(error)
        return answer

    def data(work: Callable[..., bytes], *names: str) -> Any:
        return give(lambda request: Response(
            work(request.path_params["key"], *(
                request.path_params[name] for name in names)),
            media_type="application/octet-stream"))

    async def change(request: Request) -> Response:
        try:
            wanted = _read_change(await _body(request))
            key = request.path_params["key"]
            return _json(await run_in_threadpool(desk.change, key, wanted))
        except AuraError as error:
            return _failed(error)
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception as error:
            return _broken(error)

    def file(request: Request) -> Response:
        kind = request.path_params["kind"]
        name, content = desk.export(request.path_params["key"], kind)
        ending = name[name.rindex("."):]
        return Response(content, media_type="application/octet-stream",
                        headers={"content-disposition":
                                 DISPOSITION.format(ending)})

    one = "/api/case/{key:str}"
    routes = [
        Route("/api/cases", give(lambda _: _json(desk.listing()))),
        Route(one, give(lambda request: _json(
            desk.detail(request.path_params["key"])))),
        Route(f"{one}/trends", data(desk.trends)),
        Route(f"{one}/beats", data(desk.beats)),
        Route(f"{one}/ecg/{{factor:int}}/{{index:int}}",
              data(desk.tile, "factor", "index")),
        Route(f"{one}/reasons", give(lambda request: _json(
            desk.reasons(request.path_params["key"])))),
        Route(f"{one}/review", give(lambda request: _json(
            desk.review(request.path_params["key"])))),
        Route(f"{one}/review", change, methods=["POST"]),
        Route(f"{one}/file/{{kind:str}}", give(file)),
        *(Route(path, give(_static(name)))
          for path, name in static_files().items())]
    return Guard(Starlette(routes=routes), access)


def static_files() -> dict[str, str]:
    """
    Path on the server and name below ``static`` of each file.

    Of the scripts there is one, which holds all modules.
    """
    found = {"/": "index.html"}
    for entry in sorted(STATIC.iterdir(), key=lambda one: one.name):
        if entry.is_file() and (
                entry.name == SCRIPT or not entry.name.endswith(".js")):
            found[f"/{entry.name}"] = entry.name
    for folder in (STATIC / "vendor").iterdir():
        for entry in folder.iterdir():
            if entry.name.endswith(".js"):
                continue
            name = f"vendor/{folder.name}/{entry.name}"
            found[f"/{name}"] = name
    return found


def _static(name: str) -> Callable[[Request], Response]:
    kind = TYPES.get(name[name.rfind("."):], "text/plain")

    def give(_: Request) -> Response:
        content = (script().encode() if name == SCRIPT
                   else STATIC.joinpath(name).read_bytes())
        return Response(content, headers={
            "content-type": kind, "cache-control": "no-cache"})
    return give


class PageServer:
    """Serves the page from a thread of its own, or from this one."""

    def __init__(self, desk: Desk, access: Access, port: int) -> None:
        # Its tracebacks of requests that a stop has cut off help nobody.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self._access = access
        self._socket = _bound(access.host, port)
        self.port: int = self._socket.getsockname()[1]
        self._server = uvicorn.Server(uvicorn.Config(
            application(desk, access), log_config=None, access_log=False,
            lifespan="off", server_header=False, date_header=False,
            timeout_graceful_shutdown=2, h11_max_incomplete_event_size=16384))

    @property
    def address(self) -> str:
        """What to open, with the token where one is needed."""
        host = self._access.host.strip("[]")
        if host in ("0.0.0.0", "::"):
            host = socket.gethostname()
        elif ":" in host:
            host = f"[{host}]"
        token = f"?token={self._access.token}" if self._access.token else ""
        return f"http://{host}:{self.port}/{token}"

    def run(self) -> None:
        """Serve until SIGINT or SIGTERM, or until `stop`."""
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._socket.close()

    def start(self) -> None:
        """Serve from another thread until the process ends."""
        threading.Thread(target=self.run, daemon=True, name="web").start()

    def stop(self) -> None:
        """End a server that runs in another thread."""
        self._server.should_exit = True

    def close(self) -> None:
        """Give the port of a server back that was never run."""
        self._socket.close()


def serve_share(shared: Path, settings: Settings,
                environ: Mapping[str, str]) -> PageServer:
    """
    Serve the runs of a shared folder beside something else, as a block does.
    """
    names = (name.strip() for name in settings.web_names.split(","))
    access = Access.to(
        settings.web_host, environ, tuple(filter(None, names)))
    server = PageServer(
        Desk(on_share(shared, settings)), access, settings.web_port)
    server.start()
    _LOG.info("review page on %s", server.address)
    return server


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE)[0]
        bound = socket.socket(family, socket.SOCK_STREAM)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            # Now, so that a second one cannot bind the same port.
            bound.listen(128)
        except BaseException:
            bound.close()
            raise
    except (OSError, OverflowError) as error:
        raise PreconditionError(
            "review.port", f"port {port} of {host} cannot be bound: "
            f"{getattr(error, 'strerror', None) or error}",
            "another program may have it: name another port") from None
    return bound


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_CHANGE:
            raise ResourceError(
                "review.size", f"a change has at most {LARGEST_CHANGE} bytes")
    return body


def _read_change(body: bytes) -> Change:
    kinds: dict[str, tuple[type, ...]] = {
        "version": (int,), "reviewer": (str,), "action": (str,),
        "key": (str,), "onset_s": (int, float), "duration_s": (int, float),
        "label": (str,), "note": (str,)}
    try:
        content = json.loads(body)
        if not isinstance(content, dict):
            raise ValueError
        for name, value in content.items():
            if not isinstance(value, kinds[name]) or isinstance(value, bool):
                raise ValueError
            if isinstance(value, int | float) and float in kinds[name]:
                # An integer may have more digits than any time.
                content[name] = float(value)
        if content["version"] < 0:
            raise ValueError
        return Change(**content)
    except (ValueError, KeyError, TypeError, OverflowError,
            RecursionError):
        raise InvalidInputError(
            "review.change", "the request is no change of a review") from None


def _json(content: Any, status: int = 200) -> Response:
    return Response(
        json.dumps(content, allow_nan=False, separators=(",", ":")), status,
        media_type="application/json")


def _broken(error: Exception) -> Response:
    # What a message holds may name a patient; the place is enough.
    place = traceback.extract_tb(error.__traceback__)[-1]
    _LOG.error("%s in %s, line %s", type(error).__name__,
               place.name, place.lineno)
    return _json({"rule": "review.bug", "text": "this is a fault of the "
                  "program; its log says where"}, 500)


def _failed(error: AuraError) -> Response:
    status = next((code for kind, code in STATUS
                   if isinstance(error, kind)), 422)
    return _json({"rule": error.rule, "text": error.text}, status)
