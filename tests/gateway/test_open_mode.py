"""Without keys a gateway serves the user who runs it, from this machine, and nobody else."""

import json
import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

import dill
import httpx
import pytest

from mpcsfaas.gateway import base64_text
from mpcsfaas.gateway.auth.exposure import is_loopback
from mpcsfaas.gateway.settings import GatewaySettings
from mpcsfaas.interfaces import Serializer
from mpcsfaas.interfaces.storage import StorageOptions
from mpcsfaas.testing.command_line import CommandLine
from mpcsfaas.testing.gateway import GatewayThread, uvicorn_alone
from mpcsfaas.testing.other_user import NOBODY, STRANGER, needs_root, request_as
from mpcsfaas.testing.platform import PlatformProcess, wait_until
from mpcsfaas_storage_memory import MemoryStorage

REGISTRATION = json.dumps({"name": "f", "payload": base64_text.encode(dill.dumps(abs))}).encode()


def functions(gateway: GatewayThread) -> int:
    return len(gateway.run(gateway.storage.list_functions()).items)


@needs_root
@pytest.mark.parametrize("uid", [NOBODY, STRANGER])
def test_another_user_is_not_let_in(gateway: GatewayThread, uid: int) -> None:
    answer = request_as(uid, gateway.url, "POST", "/register_function", REGISTRATION)
    assert answer.status == 401
    assert "\r\nwww-authenticate: bearer\r\n" in answer.text.lower()
    assert "urn:mpcsfaas:problem:unknown-user" in answer.text
    assert "only the user who runs it" in answer.text
    assert functions(gateway) == 0


@needs_root
@pytest.mark.parametrize("path", ["/v1/tasks", "/v1/stats", "/v1/workers", "/v1/functions", "/metrics", "/nowhere"])
def test_another_user_reads_nothing(gateway: GatewayThread, path: str) -> None:
    assert request_as(STRANGER, gateway.url, "GET", path).status == 401


@needs_root
@pytest.mark.parametrize("path", ["/", "/healthz", "/docs", "/openapi.json", "/static-offline-docs/favicon.png"])
def test_what_tells_of_nobodys_work_is_for_everybody(gateway: GatewayThread, path: str) -> None:
    assert request_as(STRANGER, gateway.url, "GET", path).status == 200


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded"])
def test_a_request_through_a_proxy_is_not_its_users(gateway: GatewayThread, header: str) -> None:
    answer = httpx.get(f"{gateway.url}/v1/tasks", headers={header: "127.0.0.1"})
    assert answer.status_code == 401
    assert "proxy" in answer.json()["detail"]


@needs_root
def test_a_header_does_not_make_a_stranger_somebody_else(tmp_path: Path) -> None:
    """Uvicorn by itself takes from this header, if it comes from this machine, who the client is."""
    with uvicorn_alone(tmp_path, f"sqlite:///{tmp_path}/tasks.db") as (_, url):
        wait_until(lambda: _answers(url), 30, "an answer")
        with socket.create_connection((urlsplit(url).hostname, urlsplit(url).port)) as mine:
            host, port = mine.getsockname()
            victim = f"{host}:{port}"
            answer = request_as(STRANGER, url, "GET", "/v1/tasks", X_Forwarded_For=victim)
        assert answer.status == 401
        assert httpx.get(f"{url}/v1/tasks").status_code == 200


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.TransportError:
        return False


@needs_root
def test_the_user_who_runs_it_and_root_are_let_in(
    settings: GatewaySettings, serializers: list[Serializer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: STRANGER)
    with GatewayThread(MemoryStorage("memory://", StorageOptions()), serializers, settings) as gateway:
        monkeypatch.undo()
        assert request_as(STRANGER, gateway.url, "GET", "/v1/tasks").status == 200
        assert request_as(0, gateway.url, "GET", "/v1/tasks").status == 200
        assert request_as(STRANGER + 1, gateway.url, "GET", "/v1/tasks").status == 401


@needs_root
def test_an_open_gateway_lets_in_everybody_and_says_so(tmp_path: Path) -> None:
    with PlatformProcess(tmp_path, "--host", "0.0.0.0", "--insecure-open-to-network", command="serve") as platform:
        assert request_as(STRANGER, platform.url, "GET", "/v1/tasks").status == 200
        assert "THIS GATEWAY IS OPEN" in platform.log


@pytest.mark.parametrize("command", ["up", "serve"])
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_a_gateway_that_others_could_reach_does_not_start(tmp_path: Path, command: str, host: str) -> None:
    refused = CommandLine(tmp_path)(command, "--host", host, "--port", "0", code=2)
    assert host in refused.errors
    assert "--insecure-open-to-network" in refused.errors


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.8.7", "localhost", "::1"])
def test_loopback_is_reached_from_this_machine_only(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "192.0.2.1", "2001:db8::1", "nowhere.invalid"])
def test_anything_else_is_not_loopback(host: str) -> None:
    assert not is_loopback(host)
