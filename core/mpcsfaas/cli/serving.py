"""A gateway, a dispatcher, or both, over one storage in one event loop, until a signal ends them."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop
from fastapi import FastAPI

from mpcsfaas.cli.announcement import Announcement, announce, withdraw
from mpcsfaas.cli.configured import Setup
from mpcsfaas.cli.garbage import collect_seldom
from mpcsfaas.cli.log import log_to_stderr
from mpcsfaas.cli.privacy import hide_from_tasks
from mpcsfaas.cli.trial_workers import TrialWorkers
from mpcsfaas.dispatcher import Dispatcher, DispatcherSettings
from mpcsfaas.errors import MpcsfaasError
from mpcsfaas.gateway.app import create_app
from mpcsfaas.gateway.auth.exposure import check_exposure, check_tls
from mpcsfaas.gateway.server import Tls, serve
from mpcsfaas.gateway.settings import gateway_settings
from mpcsfaas.interfaces import DispatchStrategy, Storage
from mpcsfaas.sealing import sealed
from mpcsfaas.settings import Settings

log = logging.getLogger(__name__)


class Service:
    """The parts of one process. The first SIGTERM or SIGINT drains it, a second one stops it at once."""

    def __init__(self, setup: Setup, *, gateway: bool, dispatcher: bool) -> None:
        """Raises `PluginError` and `SettingsError`; nothing is opened yet."""
        self._settings = setup.settings
        if gateway:
            check_tls(setup.settings)
        self._storage = sealed(setup.plugins.storage(setup.settings.storage), setup.settings.seal_key)
        self._app = _application(setup, self._storage) if gateway else None
        strategy = setup.plugins.strategy() if dispatcher else None
        if dispatcher:
            setup.plugins.dispatcher_starts(self._storage)
        self._dispatcher = _dispatcher(setup, self._storage, strategy) if strategy else None
        self._trial = TrialWorkers(strategy, setup.settings, setup.config)
        self._gateway_stop = asyncio.Event()
        self._signals = 0
        self._draining: asyncio.Task[None] | None = None

    async def run(self, ready: Callable[[Announcement], None]) -> None:
        """Serve until signals end it; `ready` is called once, when every part works. Raises `MpcsfaasError`."""
        try:
            await self._run_parts(ready)
        except* MpcsfaasError as group:
            raise group.exceptions[0] from None

    async def _run_parts(self, ready: Callable[[Announcement], None]) -> None:
        async with _opened(self._storage), asyncio.TaskGroup() as parts:
            if self._app:
                check_exposure(self._settings, has_keys=bool(await self._storage.list_keys()))
            self._listen_to_signals()
            if self._dispatcher:
                parts.create_task(self._dispatch())
                await self._dispatcher.serving.wait()
                self._trial.start()
            if self._app is None:
                ready(Announcement(url=None, pid=os.getpid()))
                return
            await serve(
                self._app,
                self._settings.host,
                self._settings.port,
                stop=self._gateway_stop,
                tls=_tls(self._settings),
                started=lambda port: ready(Announcement(url=_url(self._settings, port), pid=os.getpid())),
            )

    async def _dispatch(self) -> None:
        assert self._dispatcher is not None
        try:
            await self._dispatcher.run()
        finally:
            await self._trial.stop()
            self._gateway_stop.set()

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)

    def _on_signal(self) -> None:
        self._signals += 1
        if self._dispatcher is None:
            self._gateway_stop.set()
        elif self._signals == 1:
            log.info("Stopping: draining what runs. Send the signal again to stop at once.")
            self._draining = asyncio.get_running_loop().create_task(self._dispatcher.drain())
        else:
            log.info("Stopping at once: what runs goes back to the queue.")
            self._dispatcher.stop()


def run_service(setup: Setup, *, gateway: bool, dispatcher: bool, ready_file: Path | None) -> None:
    """Run the parts until a signal ends them. Raises `MpcsfaasError` when they cannot start."""
    log_to_stderr(setup.settings)
    hide_from_tasks()
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    written: list[Path] = []

    def ready(announcement: Announcement) -> None:
        files = [ready_file, setup.settings.state_dir / "up.json" if gateway and dispatcher else None]
        for path in filter(None, files):
            announce(path, announcement)
            written.append(path)
        collect_seldom()
        log.info("Ready%s.", f" on {announcement['url']}" if announcement["url"] else "")

    async def serve_all() -> None:
        await Service(setup, gateway=gateway, dispatcher=dispatcher).run(ready)

    try:
        uvloop.run(serve_all())
    finally:
        for path in written:
            withdraw(path)


def _application(setup: Setup, storage: Storage) -> FastAPI:
    app = create_app(storage, setup.plugins.serializers(), gateway_settings(setup.settings))
    setup.plugins.gateway_routes(app, storage)
    return app


def _dispatcher(setup: Setup, storage: Storage, strategy: DispatchStrategy) -> Dispatcher:
    settings = DispatcherSettings(
        lease=setup.settings.lease,
        deadline=setup.settings.deadline,
        drain_timeout=setup.settings.drain_timeout,
    )
    plugins = setup.plugins
    return Dispatcher(storage, strategy, plugins.serializers(), plugins.detector, settings, plugins)


@asynccontextmanager
async def _opened(storage: Storage) -> AsyncIterator[None]:
    await storage.open()
    try:
        yield
    finally:
        await storage.close()


def _tls(settings: Settings) -> Tls | None:
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    return Tls(settings.tls_certificate, settings.tls_key)


def _url(settings: Settings, port: int) -> str:
    host, scheme = settings.host, "https" if settings.tls_certificate else "http"
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"{scheme}://{name}:{port}"
