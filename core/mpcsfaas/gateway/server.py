"""Serving an application over HTTP, in the caller's event loop."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple, cast

import uvicorn
from fastapi import FastAPI

from mpcsfaas.errors import SettingsError
from mpcsfaas.gateway.context import Gateway
from mpcsfaas.gateway.patience import PatientProtocol

KEEP_ALIVE = 75
"""Seconds that an idle connection is kept: longer than clients keep theirs, so that none sends into a closing one."""
BACKLOG = 2048
UNSENT_BYTES = 128 * 1024
"""What the kernel takes for a client beyond what is on its way: more is made for slow ones in vain."""


class Tls(NamedTuple):
    """Files with a certificate and its private key."""

    certificate: Path
    key: Path


async def serve(
    app: FastAPI,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    stop: asyncio.Event,
    tls: Tls | None = None,
    started: Callable[[int], None] | None = None,
    grace: float = 5.0,
) -> None:
    """Serve `app`, made by `create_app`, until `stop` is set; then finish open requests and return.

    Port 0 picks a free one; `started` is called with the bound port once connections are accepted. At the stop, streams
    and waits end at once, new connections are refused, and whatever is open `grace` seconds later is cut off. Signals
    are left to the caller. Raises `SettingsError` when the address cannot be bound, or the certificate not be used.
    """
    gateway: Gateway = app.state.gateway
    config = _config(app, grace, tls, gateway.settings.reader_patience)
    listener = _bind(host, port)
    server = _Server(config, grace)
    serving = asyncio.create_task(server.serve([listener]))
    try:
        await _until_started(server, serving)
        if started is not None:
            started(listener.getsockname()[1])
        await _first_of(asyncio.create_task(stop.wait()), serving)
    finally:
        await gateway.hub.close()
        server.should_exit = True
        await serving
        listener.close()


def _bind(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        return listener
    except OSError as error:
        reason = error.strerror or error
        raise SettingsError(f"Cannot listen on {host}:{port}: {reason}. Choose another host or port.") from error


def _config(app: FastAPI, grace: float, tls: Tls | None, patience: float) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        ssl_certfile=tls.certificate if tls else None,
        ssl_keyfile=tls.key if tls else None,
        http=cast(type[asyncio.Protocol], partial(PatientProtocol, patience=patience)),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=round(grace) + 1,
    )
    try:
        config.load()
    except OSError as error:  # An `SSLError` is one, too.
        raise SettingsError(f"The certificate or its key cannot be used: {error}. Both must be PEM files.") from error
    return config


async def _until_started(server: "_Server", serving: asyncio.Task[None]) -> None:
    await _first_of(asyncio.create_task(server.accepting.wait()), serving)
    if serving.done():
        await serving


async def _first_of(task: asyncio.Task[object], serving: asyncio.Task[None]) -> None:
    try:
        await asyncio.wait({task, serving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        task.cancel()


class _Server(uvicorn.Server):
    """Uvicorn without its signal handlers, and with an end to readers that do not read."""

    def __init__(self, config: uvicorn.Config, grace: float) -> None:
        super().__init__(config)
        self.accepting = asyncio.Event()
        self._grace = grace

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept connections."""
        await super().startup(sockets)
        self.accepting.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what is open, cutting off what takes longer than the grace."""
        cut = asyncio.get_running_loop().call_later(self._grace, self._cut_off)
        try:
            await super().shutdown(sockets)
        finally:
            cut.cancel()

    def _cut_off(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()
