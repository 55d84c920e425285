"""Downloads that are complete and match their checksums."""
# A part stays after an interruption; the next call asks for the rest (RFC
# 9110). A file gets its name only when its SHA-256 is right.

import hashlib
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from io import FileIO
from pathlib import Path
from typing import Any

from aura import state
from aura.errors import MissingError, UnavailableError
from aura.folder import Folder, write_error

SUMS = "SHA256SUMS.txt"
PART = ".part"
BLOCK_BYTES = 2**18
TEXT_BYTES_MAX = 2**20
FILE_BYTES_MAX = 2**31
TIMEOUT_S = 60.0
TRIES = 5
WAIT_S = 1.0
_SUM = re.compile(r"([0-9a-f]{64})[ \t]+\*?([^\0\n]{1,255})")
_RANGE = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")
ABOVE = "check --base-url; it has to be the folder above the sets"
_TEMPORARY = (408, 425, 429, 500, 502, 503, 504)

Progress = Callable[[int], object]


class Source:
    """A folder on a web server with the checksums of its files."""

    def __init__(self, url: str, folder: Folder,
                 progress: Progress = lambda count: None,
                 wait_s: float = WAIT_S) -> None:
        if not re.match(r"https?://[^/\s]+/", url):
            raise state.error("fetch.url", url=url)
        self._url, self._folder = url, folder
        self._progress, self._wait_s = progress, wait_s
        self._sums: dict[str, str] = {}

    def sums(self) -> dict[str, str]:
        """SHA-256 of each file by name; asked for once."""
        if not self._sums:
            text = self._retry(SUMS, lambda: self._text(SUMS))
            rows = [_SUM.fullmatch(line) for line in text.splitlines()]
            if not rows or None in rows:
                raise state.error(
                    "fetch.sums/page" if "<" in text[:200] else "fetch.sums",
                    url=self._url, file=SUMS)
            self._sums = {row[2]: row[1] for row in rows if row}
        return self._sums

    def fetch(self, name: str) -> bytes:
        """Content of a verified file, downloaded if it is not there."""
        if name not in self.sums():
            raise MissingError(
                "fetch.missing", f"{self._url}{SUMS} does not list {name}",
                ABOVE)
        wanted = self.sums()[name]
        path = self._folder.path(name)
        if path.is_file():
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() == wanted:
                return content
        content = self._download(name, wanted)
        self._folder.write(name, content)
        self._folder.path(name + PART).unlink(missing_ok=True)
        return content

    def _download(self, name: str, wanted: str) -> bytes:
        part = self._folder.path(name + PART)
        resumed = part.is_file() and part.stat().st_size > 0
        while True:
            kind = self._complete(name)
            content = part.read_bytes()
            if hashlib.sha256(content).hexdigest() == wanted:
                return content
            part.unlink()
            if not resumed:
                break
            # The part may have been one of another file.
            resumed = False
        raise state.error(
            "fetch.checksum/page" if "html" in kind else "fetch.checksum",
            url=self._url, name=name, file=SUMS)

    def _complete(self, name: str) -> str:
        """Download the rest of a part; return the content's type."""
        return self._retry(name, lambda: self._continue(name))

    def _retry(self, name: str, work: Callable[[], str]) -> str:
        """Try a few times what may fail for a while."""
        reason = ""
        for attempt in range(TRIES):
            if attempt:
                time.sleep(self._wait_s * 2 ** (attempt - 1))
            try:
                return work()
            except urllib.error.HTTPError as error:
                error.close()
                if error.code == 416:
                    # The part is longer than the file.
                    self._folder.path(name + PART).unlink(missing_ok=True)
                elif error.code not in _TEMPORARY:
                    raise _refused(self._url + name, error.code) from None
                reason = f"the server answered {error.code}"
            except (urllib.error.URLError, HTTPException, TimeoutError,
                    ConnectionError) as error:
                reason = str(getattr(error, "reason", "") or error
                             or type(error).__name__)
        raise state.error(
            "fetch.unreachable", url=self._url, name=name, tries=TRIES,
            reason=reason)

    def _continue(self, name: str) -> str:
        part = self._folder.path(name + PART)
        have = part.stat().st_size if part.is_file() else 0
        headers = {"Range": f"bytes={have}-"} if have else {}
        with self._open(name, headers) as answer:
            if have and not _continues(answer, have):
                have = 0
            # None if the header is missing or not a number.
            length = -1 if answer.length is None else answer.length
            if have + length > FILE_BYTES_MAX:
                raise _too_large(self._url + name)
            got = self._store(name, answer, have)
            if 0 <= got < length:
                raise ConnectionError(
                    f"the connection ended after {got} of {length} bytes")
            return str(answer.headers.get("Content-Type", ""))

    def _store(self, name: str, answer: HTTPResponse, have: int) -> int:
        part = self._folder.path(name + PART)
        got = 0
        # Unbuffered, so that a full disk is an error of this write.
        with _writing(part, "r+b" if have else "wb") as stream:
            stream.seek(have)
            while block := answer.read(BLOCK_BYTES):
                _write(stream, block)
                got += len(block)
                self._progress(len(block))
                if have + got > FILE_BYTES_MAX:
                    raise _too_large(self._url + name)
        return got

    def _text(self, name: str) -> str:
        with self._open(name, {}) as answer:
            content: bytes = answer.read(TEXT_BYTES_MAX)
            if answer.length and len(content) < TEXT_BYTES_MAX:
                raise ConnectionError(
                    f"the last {answer.length} bytes are missing")
        return content.decode("utf-8", "replace")

    def _open(self, name: str, headers: dict[str, str]) -> Any:
        try:
            return urllib.request.build_opener(_Redirects).open(
                urllib.request.Request(
                    self._url + name,
                    headers={"User-Agent": "aura-blocks", **headers}),
                timeout=TIMEOUT_S)
        except ValueError as error:
            raise UnavailableError(
                "fetch.http", f"{self._url}{name} cannot be opened: {error}",
                "open the address in a browser") from None


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follow redirections to web servers only, never from https to http."""

    def redirect_request(
            self, req: urllib.request.Request, fp: Any, code: int, msg: str,
            headers: Any, newurl: str) -> urllib.request.Request | None:
        """The request to follow, or None to make it an error."""
        kinds = ("https:",) if req.type == "https" else ("https:", "http:")
        if not newurl.lower().startswith(kinds):
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _writing(path: Path, mode: str) -> FileIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileIO(path, mode)
    except OSError as error:
        raise write_error(error) from None


def _write(stream: FileIO, block: bytes) -> None:
    rest = memoryview(block)
    try:
        while rest:
            rest = rest[stream.write(rest):]
    except OSError as error:
        raise write_error(error) from None


def _continues(answer: HTTPResponse, have: int) -> bool:
    """Whether the answer starts where the part ends."""
    match = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    return (answer.status == 206 and match is not None
            and int(match[1]) == have)


def _too_large(url: str) -> Exception:
    return state.error("fetch.size", url=url, file_bytes_max=FILE_BYTES_MAX)


def _refused(url: str, code: int) -> Exception:
    if code in (404, 410):
        return MissingError(
            "fetch.missing", f"{url} does not exist (the server answered "
            f"{code})", ABOVE)
    return state.error("fetch.http", url=url, code=code)
