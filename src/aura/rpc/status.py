"""The one place where errors become gRPC statuses."""

import logging
import secrets
import time
from collections.abc import Callable
from typing import Any

import grpc

from aura.errors import (
    AuraError, CorruptDataError, EndOfData, ForbiddenError, InvalidInputError,
    MissingError, PreconditionError, ResourceError, UnavailableError,
    UnsupportedError, frames_of)

# Details of 8 kB become RESOURCE_EXHAUSTED; a character has up to 12.
DETAILS_LIMIT = 1000

CODES: dict[type[AuraError], grpc.StatusCode] = {
    InvalidInputError: grpc.StatusCode.INVALID_ARGUMENT,
    CorruptDataError: grpc.StatusCode.DATA_LOSS,
    MissingError: grpc.StatusCode.FAILED_PRECONDITION,
    ForbiddenError: grpc.StatusCode.PERMISSION_DENIED,
    PreconditionError: grpc.StatusCode.FAILED_PRECONDITION,
    ResourceError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    UnsupportedError: grpc.StatusCode.UNIMPLEMENTED,
    UnavailableError: grpc.StatusCode.UNAVAILABLE,
    # Nothing else may be NOT_FOUND: orchestrators take it for the end.
    EndOfData: grpc.StatusCode.NOT_FOUND,
}

_LOG = logging.getLogger(__name__)

Behaviour = Callable[[Any, grpc.ServicerContext], Any]


class CallFailed(Exception):
    """A call that ended with a status other than OK."""

    def __init__(self, code: grpc.StatusCode, details: str,
                 again: bool | None = None) -> None:
        self.code = code
        self.details = details
        self.again = (
            code is grpc.StatusCode.UNAVAILABLE if again is None else again)
        super().__init__(f"{code.name}: {details}")


def status_of(error: BaseException, block: str) -> tuple[grpc.StatusCode, str]:
    """Status code and details of an exception from a stage."""
    if isinstance(error, AuraError):
        for kind in type(error).__mro__:
            if kind in CODES:
                return CODES[kind], printable(f"{block}.{error}")
    if isinstance(error, MemoryError):
        return (grpc.StatusCode.RESOURCE_EXHAUSTED, f"{block}.memory: there "
                "is not enough memory for this request; give the block more, "
                "or set a smaller AURA_BATCH_SIZE")
    # Its text may hold a path, and a path the name of a patient.
    identifier = secrets.token_hex(4)
    _LOG.error("%s: unexpected error %s\n%s",
               block, identifier, frames_of(error))
    return (grpc.StatusCode.INTERNAL, f"{block}.internal: unexpected error "
            f"{identifier}; look for this number in the block's log")


def printable(text: str, limit: int = DETAILS_LIMIT) -> str:
    """One line without control characters, at most `limit` UTF-8 bytes."""
    text = "".join(character if character.isprintable()
                   else character.encode("unicode_escape").decode("ascii")
                   for character in text)
    content = text.encode("utf-8")
    if len(content) <= limit:
        return text
    return content[:limit - 3].decode("utf-8", "ignore") + "..."


def answering(behaviour: Behaviour, block: str, rpc: str) -> Behaviour:
    """Wrap an rpc so that every call ends with a status and a log line."""
    def answer(request: Any, context: grpc.ServicerContext) -> Any:
        begin = time.monotonic()
        try:
            reply = behaviour(request, context)
        # After a SystemExit the client would get no answer at all.
        except BaseException as error:
            code, details = status_of(error, block)
            rule = error.rule if isinstance(error, AuraError) else ""
            _log(rpc, code.name, begin, rule)
            context.abort(code, details)
        _log(rpc, "OK", begin)
        return reply
    return answer


def _log(rpc: str, status: str, begin: float, rule: str = "") -> None:
    elapsed_ms = 1000 * (time.monotonic() - begin)
    _LOG.info("%s %s %.0f ms%s", rpc, status, elapsed_ms, rule and f" {rule}")
