"""
Seconds that uneven calls take on three replicas of a block.

Every third of 12 calls is long. The calls go to whichever server is idle, as
`aura run` sends them, and then to the servers in turn, as gRPC sends them.
These are wall times: the calls sleep.
"""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from aura.blocks import named
from aura.rpc import binding
from aura.rpc.aura_pb2 import EcgBatch
from aura.rpc.replicas import Replicas
from tests.served import served_toys

BLOCK = "feature-builder"
SERVERS = 3
SECONDS = (0.9, 0.15, 0.15) * 4


def measure(name: str, call: Callable[[EcgBatch], Any]) -> None:
    """Print how long all calls take, and how idle the servers are."""
    begin = time.monotonic()
    with ThreadPoolExecutor(SERVERS) as callers:
        list(callers.map(call, (EcgBatch(
            manifest_path=f"alone:{one}") for one in SECONDS)))
    wall = time.monotonic() - begin
    idle = 1 - sum(SECONDS) / (SERVERS * wall)
    print(f"{name:24s} {wall:8.1f} {idle:8.0%}", flush=True)


def main() -> None:
    """Print a row for each way to choose a server."""
    print("call goes to             seconds     idle")
    with served_toys() as start:
        builders = [start(BLOCK).connect() for _ in range(SERVERS)]
        ports = [f"127.0.0.1:{builder.port}" for builder in builders]
        ours = Replicas(named(BLOCK), "builders:1", lambda _: ports)
        while ours.idle < SERVERS:
            time.sleep(0.02)
        measure("an idle server",
                lambda request: ours.call("build_features", request))
        ours.close()
        with grpc.insecure_channel(f"ipv4:{','.join(ports)}", (
                ("grpc.enable_http_proxy", 0),
                ("grpc.service_config", json.dumps(
                    {"loadBalancingConfig": [{"round_robin": {}}]})),
                )) as channel:
            grpc.channel_ready_future(channel).result(10)
            time.sleep(0.5)
            measure("each server in turn",
                    binding.stub("FeatureBuilder", channel).build_features)


if __name__ == "__main__":
    main()
