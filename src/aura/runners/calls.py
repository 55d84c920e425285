"""One rpc of one block, called in this process: JSON in, JSON out."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from aura import blocks, state
from aura.errors import EndOfData
from aura.rpc import aura_pb2
from aura.runners.servicers import StageServicer
from aura.settings import Settings

Observer = Callable[[Message], None]


def requests(rpc: str, texts: Iterable[str]) -> list[Message]:
    """Read the messages for an rpc from JSON texts."""
    kind = _request_type(rpc)
    found: list[Message] = []
    for text in texts:
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise state.error("call.json", why=error) from None
        for one in content if isinstance(content, list) else [content]:
            found.append(_message(kind, one))
    return found


def call(rpc: str, given: Sequence[Message], shared: Path, settings: Settings,
         observe: Observer | None = None) -> list[dict[str, Any]]:
    """Call an rpc with each message, or a source until its data end."""
    method = getattr(
        StageServicer(blocks.offering(rpc), shared, settings), rpc)
    is_source = takes_nothing(rpc)
    waiting = iter(given)
    answers: list[dict[str, Any]] = []
    while True:
        try:
            answer: Message = method(
                aura_pb2.Empty() if is_source else next(waiting), None)
        except (EndOfData, StopIteration):
            return answers
        if observe is not None:
            observe(answer)
        answers.append(json_format.MessageToDict(
            answer, preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True))
        if getattr(answer, "done", False):
            return answers


def takes_nothing(rpc: str) -> bool:
    return _request_type(rpc) is aura_pb2.Empty


def _request_type(rpc: str) -> type[Message]:
    service = aura_pb2.DESCRIPTOR.services_by_name[
        blocks.offering(rpc).service]
    return GetMessageClass(service.methods_by_name[rpc].input_type)


def _message(kind: type[Message], content: Any) -> Message:
    name = kind.DESCRIPTOR.name
    if not isinstance(content, dict):
        raise state.error(
            "call.message/object", found=json.dumps(content)[:60], name=name)
    try:
        return json_format.ParseDict(content, kind())
    except json_format.ParseError as error:
        raise state.error(
            "call.message/runners", name=name, why=str(error).splitlines()[0],
            fields=", ".join(kind.DESCRIPTOR.fields_by_name)) from None
