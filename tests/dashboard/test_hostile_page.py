"""A page of another origin, in the browser of the very user whom the gateway trusts, gets nothing."""

import socket
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import Browser

from mpcsfaas.model import Function, State, Task
from mpcsfaas.testing.gateway import GatewayThread

TASK = "01234567-89ab-7def-8123-456789abcdef"

ATTACK = """
async (gateway) => {
  const outcome = (work) => Promise.race([
    work().then((value) => String(value), (error) => `refused: ${error.name}`),
    new Promise((done) => setTimeout(done, 5000, "no end")),
  ]);
  const loaded = (tag, field, path) => new Promise((done) => {
    const element = document.createElement(tag);
    element.onload = () => {
      try {
        done(`loaded ${element.contentDocument?.body?.textContent ?? "unreadable"}`);
      } catch {
        done("loaded unreadable");
      }
    };
    element.onerror = () => done("refused");
    element[field] = gateway + path;
    document.body.append(element);
  });
  const socket = (path) => new Promise((done) => {
    const opened = new WebSocket(gateway.replace("http", "ws") + path);
    opened.onopen = () => done("open");
    opened.onerror = () => done("refused");
  });
  const text = async (path, options) => (await fetch(gateway + path, options)).text();
  return {
    read: await outcome(() => text("/v1/dashboard")),
    readWithCookies: await outcome(() => text("/v1/tasks", { credentials: "include" })),
    readOpaque: await outcome(() => text("/v1/dashboard", { mode: "no-cors" })),
    cancel: await outcome(() => text("/v1/tasks/TASK", { method: "DELETE" })),
    cancelJson: await outcome(() => text("/v1/tasks:cancel", {
      method: "POST", body: '{"ids": ["TASK"]}', headers: { "Content-Type": "application/json" } })),
    cancelPlain: await outcome(() => text("/v1/tasks:cancel", {
      method: "POST", body: '{"ids": ["TASK"]}', mode: "no-cors" })),
    script: await loaded("script", "src", "/assets/dashboard/vendor/chart.umd.min.js"),
    data: await loaded("script", "src", "/v1/dashboard"),
    chart: typeof window.Chart,
    frame: await loaded("iframe", "src", "/"),
    socket: await socket("/"),
    socketOfData: await socket("/v1/dashboard"),
  };
}
""".replace("TASK", TASK)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def target(gateway: GatewayThread) -> GatewayThread:
    """A gateway with a task that waits."""
    gateway.run(gateway.storage.put_function(Function("f", "secret", b"", "json", 0.0)))
    gateway.run(gateway.storage.enqueue([Task(TASK, "f", b"[]", "json", 0.0)]))
    return gateway


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[str]:
    """A site of another origin."""
    (tmp_path / "index.html").write_text("<title>Cats</title>")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()


def attack(browser: Browser, site: str, gateway: str) -> dict[str, Any]:
    context = browser.new_context()
    page = context.new_page()
    page.goto(site)
    outcomes: dict[str, Any] = page.evaluate(ATTACK, gateway)
    context.close()
    return outcomes


def test_it_reads_changes_frames_and_embeds_nothing(target: GatewayThread, elsewhere: str, browser: Browser) -> None:
    outcomes = attack(browser, elsewhere, target.url)
    frame = outcomes.pop("frame")
    assert "MPCSFaaS" not in frame
    assert outcomes.pop("chart") == "undefined"
    assert outcomes.pop("cancelPlain") == ""  # It is sent, and refused: see below; the page is told nothing.
    assert {name: outcome.partition(":")[0] for name, outcome in outcomes.items()} == dict.fromkeys(outcomes, "refused")
    (record,) = target.run(target.storage.get_tasks([TASK]))
    assert record is not None
    assert record.state is State.QUEUED


@pytest.mark.parametrize("origin", ["http://evil.example", "null"])
def test_no_websocket_is_opened_from_anywhere(gateway: GatewayThread, origin: str) -> None:
    for path in ("/", "/v1/dashboard", "/assets/dashboard/app.js", "/v1/tasks", "/docs"):
        request = (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{gateway.port}\r\nOrigin: {origin}\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
            connection.sendall(request.encode())
            status = connection.recv(4096).partition(b"\r\n")[0]
        assert status.startswith(b"HTTP/1.1 "), path
        assert b" 101 " not in status, path
