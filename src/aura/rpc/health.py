"""
Asks a running block for its health: ``python -m aura.rpc.health [SERVICE]``.

The health check of the images, and a probe where Kubernetes has none for
gRPC. Without a service it is the server's own health that counts, which is
there as soon as the port is open; a service is ready when what it needs is
there. It imports as little as it can, since it is started again and again.
"""

import os
import sys
from collections.abc import Sequence

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

TIMEOUT_S = 3.0


def main(arguments: Sequence[str]) -> int:
    """Ask the block of this container, on ``AURA_PORT``, and say the answer.
    """
    address = f"localhost:{os.environ.get('AURA_PORT') or 8061}"
    request = health_pb2.HealthCheckRequest(service="".join(arguments[:1]))
    # A proxy of the environment is none for this machine.
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
