"""The review page over HTTP; no request names a file of the disk."""

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

from aura import state
from aura.errors import (
    AuraError, ForbiddenError, InvalidInputError, MissingError,
    PreconditionError, ResourceError)
from aura.folder import read_error
from aura.review.audit_trail import Change, ConflictError
from aura.review.guard import Access, Guard
from aura.review.script import STATIC, script
from aura.review.service import FilesNotWrittenError, ReviewService
from aura.review.worklist import on_share
from aura.settings import Settings

LARGEST_CHANGE = 16_384
SCRIPT = "main.js"
TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css",
         ".js": "text/javascript", ".svg": "image/svg+xml"}
STATUS: tuple[tuple[type[AuraError], int], ...] = (
    (ConflictError, 409), (FilesNotWrittenError, 409), (MissingError, 404),
    (ForbiddenError, 403), (PreconditionError, 503), (ResourceError, 507))

_LOG = logging.getLogger(__name__)


def application(service: ReviewService, access: Access) -> Guard:
    def give(work: Callable[[Request], Response]) -> Any:
        async def answer(request: Request) -> Response:
            try:
                return await run_in_threadpool(work, request)
            except Exception as error:
                return _failed(error)
        return answer

    def facts(work: Callable[[str], Any]) -> Any:
        return give(lambda request: _json(work(request.path_params["key"])))

    def data(work: Callable[..., bytes], *names: str) -> Any:
        return give(lambda request: Response(
            work(*(request.path_params[name] for name in ("key", *names))),
            media_type="application/octet-stream"))

    async def change(request: Request) -> Response:
        try:
            wanted = state.parse(
                await _body(request), Change, "review.change", "the change",
                "reload the page", InvalidInputError)
            return _json(await run_in_threadpool(
                service.change, request.path_params["key"], wanted))
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception as error:
            return _failed(error)

    def file(request: Request) -> Response:
        name, content = service.export(
            request.path_params["key"], request.path_params["kind"])
        return Response(
            content, media_type="application/octet-stream", headers={
                "content-disposition": 'attachment; filename="review'
                f'{name[name.rindex("."):]}"'})

    one = "/api/case/{key:str}"
    return Guard(Starlette(routes=[
        Route("/api/cases", give(lambda _: _json(service.listing()))),
        Route(one, facts(service.detail)),
        Route(f"{one}/trends", data(service.trends)),
        Route(f"{one}/beats", data(service.beats)),
        Route(f"{one}/ecg/{{factor:int}}/{{index:int}}",
              data(service.tile, "factor", "index")),
        Route(f"{one}/reasons", facts(service.reasons)),
        Route(f"{one}/review", facts(service.review)),
        Route(f"{one}/review", change, methods=["POST"]),
        Route(f"{one}/file/{{kind:str}}", give(file)),
        *(Route(path, give(_static(name)))
          for path, name in static_files().items())]), access)


def static_files() -> dict[str, str]:
    """Each path on the server, with the file's name below ``static``."""
    names = [path.relative_to(STATIC).as_posix()
             for path in sorted(STATIC.rglob("*")) if path.is_file()]
    # All scripts are served as one.
    return {"/": "index.html", **{
        f"/{name}": name for name in names
        if name == SCRIPT or not name.endswith(".js")}}


def _static(name: str) -> Callable[[Request], Response]:
    kind = TYPES.get(name[name.rfind("."):], "text/plain")

    def give(_: Request) -> Response:
        content = (script().encode() if name == SCRIPT
                   else (STATIC / name).read_bytes())
        return Response(content, headers={
            "content-type": kind, "cache-control": "no-cache"})
    return give


class PageServer:
    def __init__(self, service: ReviewService, access: Access,
                 port: int) -> None:
        # It logs a traceback for each request that a stop interrupts.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self._access = access
        self._socket = _bound(access.host, port)
        self.port: int = self._socket.getsockname()[1]
        self._server = uvicorn.Server(uvicorn.Config(
            application(service, access), log_config=None, access_log=False,
            lifespan="off", server_header=False, date_header=False,
            timeout_graceful_shutdown=2, h11_max_incomplete_event_size=16384))

    @property
    def address(self) -> str:
        """The address to open, with the token if one is needed."""
        return self._with(self._access.token)

    @property
    def shown(self) -> str:
        """The address for a console or a log, without the user's secret."""
        return self._with("AURA_WEB_TOKEN" if self._access.secret
                          else self._access.token)

    def _with(self, token: str) -> str:
        host = self._access.host.strip("[]")
        if host in ("0.0.0.0", "::"):
            host = socket.gethostname()
        elif ":" in host:
            host = f"[{host}]"
        query = f"?token={token}" if token else ""
        return f"http://{host}:{self.port}/{query}"

    def run(self) -> None:
        """Serve until SIGINT or SIGTERM, or until `stop`."""
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._socket.close()

    def stop(self) -> None:
        self._server.should_exit = True


def serve_share(shared: Path, settings: Settings,
                environ: Mapping[str, str]) -> PageServer:
    """Serve the runs of a shared folder from another thread of a block."""
    access = Access.to(settings.web_host, environ, settings.web_names)
    server = PageServer(ReviewService(on_share(shared, settings)), access,
                        settings.web_port)
    threading.Thread(target=server.run, daemon=True, name="web").start()
    _LOG.info("review page on %s", server.shown)
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
            # Listening at once keeps a second server off the port.
            bound.listen(128)
        except BaseException:
            bound.close()
            raise
    except (OSError, OverflowError) as error:
        raise state.error(
            "review.port", port=port, host=host,
            why=getattr(error, "strerror", None) or error) from None
    return bound


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_CHANGE:
            raise state.error("review.size", most=LARGEST_CHANGE)
    return body


def _json(content: Any, status: int = 200) -> Response:
    return Response(
        json.dumps(content, allow_nan=False, separators=(",", ":")), status,
        media_type="application/json")


def _failed(error: Exception) -> Response:
    if isinstance(error, (AuraError, OSError)):
        error = read_error(error)
        status = next((code for kind, code in STATUS
                       if isinstance(error, kind)), 422)
        return _json({"rule": error.rule, "text": error.text}, status)
    # The message may name a patient; the place is enough.
    place = traceback.extract_tb(error.__traceback__)[-1]
    _LOG.error("%s in %s, line %s", type(error).__name__,
               place.name, place.lineno)
    return _json({"rule": "review.bug",
                  "text": "internal error; see the log of aura review"}, 500)
