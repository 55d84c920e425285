"""Asking a running block for its health, as probes do."""

import subprocess
import sys

import pytest

from aura.rpc import health


@pytest.fixture
def port(builder, monkeypatch):
    monkeypatch.setenv("AURA_PORT", str(builder.port))
    return builder.port


@pytest.mark.parametrize("service", [[], ["FeatureBuilder"]])
def test_a_healthy_server_and_a_ready_service_are_serving(
        port, capsys, service):
    assert health.main(service) == 0
    assert capsys.readouterr().out == "SERVING\n"


def test_a_proxy_of_the_environment_is_not_asked(port, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("grpc_proxy", "http://127.0.0.1:1")
    assert health.main([]) == 0


def test_a_service_that_is_not_ready_fails(start, monkeypatch, capsys):
    served = start("feature-builder", TOY_NEEDS="/no/such").connect()
    served.wait_for("NOT_SERVING")
    monkeypatch.setenv("AURA_PORT", str(served.port))
    assert health.main(["FeatureBuilder"]) == 1
    assert capsys.readouterr().out == "NOT_SERVING\n"
    assert health.main([]) == 0


def test_an_unknown_service_fails(port, capsys):
    assert health.main(["Nobody"]) == 1
    assert capsys.readouterr().err == "NOT_FOUND\n"


def test_a_port_without_a_server_fails_quickly(monkeypatch, capsys):
    monkeypatch.setenv("AURA_PORT", "1")
    assert health.main([]) == 1
    assert capsys.readouterr().err == "UNAVAILABLE\n"


def test_a_probe_imports_no_more_than_it_needs(port):
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from aura.rpc import health; "
         "code = health.main([]); print(*sys.modules); sys.exit(code)"],
        text=True, capture_output=True, check=True)
    heavy = {"numpy", "aura.rpc.server", "aura.rpc.aura_pb2"}
    assert not heavy & set(done.stdout.split())
