"""The images' health check; it imports little, because it starts often."""

import os
import sys
from collections.abc import Sequence

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

TIMEOUT_S = 3.0


def main(arguments: Sequence[str]) -> int:
    """Ask the block on ``AURA_HOST`` and ``AURA_PORT``; print its answer."""
    host = os.environ.get("AURA_HOST", "").strip("[]")
    if host in ("", "::", "0.0.0.0"):
        host = "localhost"
    address = f"{f'[{host}]' if ':' in host else host}:" + (
        os.environ.get("AURA_PORT") or "8061")
    request = health_pb2.HealthCheckRequest(service="".join(arguments[:1]))
    # This machine is never behind a proxy of the environment.
    with grpc.insecure_channel(
            address, (("grpc.enable_http_proxy", 0),)) as channel:
        try:
            status = health_pb2_grpc.HealthStub(channel).Check(
                request, timeout=TIMEOUT_S).status
        except grpc.RpcError as error:
            print(error.code().name, file=sys.stderr)
            return 1
    print(health_pb2.HealthCheckResponse.ServingStatus.Name(status))
    return int(status != health_pb2.HealthCheckResponse.SERVING)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
