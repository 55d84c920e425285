"""Stubs and handlers of the blocks' services, made from their descriptors."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import grpc
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from aura.rpc import aura_pb2

Kind = type[Message]


def stub(service: str, channel: grpc.Channel) -> Any:
    """The rpcs of a service as attributes that call it; all are unary."""
    return SimpleNamespace(**{rpc: channel.unary_unary(
        f"/{service}/{rpc}", request.SerializeToString, answer.FromString)
        for rpc, request, answer in _rpcs(service)})


def handlers(service: str, servicer: object) -> Any:
    """What a server needs to answer the rpcs of a service."""
    return grpc.method_handlers_generic_handler(service, {
        rpc: grpc.unary_unary_rpc_method_handler(
            getattr(servicer, rpc), request.FromString,
            answer.SerializeToString)
        for rpc, request, answer in _rpcs(service)})


def _rpcs(service: str) -> Iterator[tuple[str, Kind, Kind]]:
    for rpc in aura_pb2.DESCRIPTOR.services_by_name[service].methods:
        yield (rpc.name, GetMessageClass(rpc.input_type),
               GetMessageClass(rpc.output_type))
