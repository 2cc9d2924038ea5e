"""Who may address the gateway, and by which name."""

import socket

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Scope

from mpcsfaas.gateway.guard import HostNames
from mpcsfaas.testing.gateway import GatewayThread

OURS = [
    "localhost",
    "localhost:8000",
    "LOCALHOST",
    "127.0.0.1",
    "127.0.0.1:80",
    "127.8.9.1",
    "[::1]",
    "[::1]:8000",
    "10.1.2.3:8000",
    "faas.example.org",
    "Faas.Example.org:8000",
]
OTHERS = [
    ":8000",
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "10.1.2.4",
    "[::2]",
    "[",
    "[]",
    "example.org",
    "x.faas.example.org",
    "localhost@evil.example",
    "0.0.0.0",
    "*",
]


@pytest.mark.parametrize("host", [*OURS, socket.gethostname()])
def test_names_that_are_ours(host: str) -> None:
    assert HostNames(["faas.example.org"]).allow(host, "10.1.2.3")


@pytest.mark.parametrize("host", [*OTHERS, ""])
def test_names_that_are_not(host: str) -> None:
    assert not HostNames(["faas.example.org"]).allow(host, "10.1.2.3")


def test_no_name_is_nobody_even_if_the_server_has_none() -> None:
    assert not HostNames([]).allow("", "")


def test_a_star_allows_any_name() -> None:
    assert HostNames(["*"]).allow("whatever.example", "10.1.2.3")


@given(st.text())
def test_no_header_breaks_it(host: str) -> None:
    assert not HostNames([]).allow(f"{host}.evil.example", "127.0.0.1")


@pytest.mark.parametrize("path", ["/", "/healthz", "/v1/tasks", "/docs", "/openapi.json", "/nowhere"])
def test_a_request_for_another_host_is_a_421(api: httpx.Client, path: str) -> None:
    answer = api.get(path, headers={"Host": "rebound.example"})
    assert answer.status_code == 421
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "rebound.example" in answer.json()["detail"]
    assert api.post("/v1/tasks", json={}, headers={"Host": "rebound.example"}).status_code == 421


def test_a_request_without_a_host_is_a_421(api: httpx.Client) -> None:
    with socket.create_connection((str(api.base_url.host), api.base_url.port or 80), timeout=30) as connection:
        connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert connection.makefile("rb").readline().split()[1] == b"421"


def test_no_page_elsewhere_is_told_that_it_may_read(api: httpx.Client) -> None:
    origin = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    for answer in (api.get("/v1/tasks", headers=origin), api.options("/v1/tasks", headers=origin)):
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]
    assert api.options("/v1/tasks", headers=origin).status_code == 405


def test_a_client_that_goes_away_in_the_middle_of_a_body_is_no_error(
    gateway: GatewayThread, caplog: pytest.LogCaptureFixture
) -> None:
    messages: list[Message] = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    sent: list[Message] = []

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    with socket.create_connection(("127.0.0.1", gateway.port)) as connection:
        scope: Scope = {
            "type": "http", "method": "POST", "path": "/v1/tasks", "query_string": b"", "headers": headers,
            "client": connection.getsockname(), "server": connection.getpeername(),
        }  # fmt: skip
        gateway.run(gateway.app(scope, receive, send))
    assert (messages, sent, caplog.records) == ([], [], [])
