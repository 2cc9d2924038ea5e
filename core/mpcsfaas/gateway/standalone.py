"""A gateway for a server that only knows `module:app`, set up from the environment and `mpcsfaas.toml`."""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import FrameType

from fastapi import FastAPI

from mpcsfaas.gateway.app import create_app
from mpcsfaas.gateway.context import Gateway
from mpcsfaas.gateway.settings import gateway_settings
from mpcsfaas.plugins import Plugins
from mpcsfaas.sealing import sealed
from mpcsfaas.settings import Configuration

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def build_app() -> FastAPI:
    """The application; it opens its storage when it starts. Raises `SettingsError` or `PluginError`."""
    configuration = Configuration.read()
    settings = configuration.settings
    plugins = Plugins.select(settings.plugins, configuration.options)
    storage = sealed(plugins.storage(settings.storage), settings.seal_key)

    @asynccontextmanager
    async def surroundings() -> AsyncIterator[None]:
        await storage.open()
        gateway: Gateway = app.state.gateway
        try:
            with _on_signals(gateway.hub.end):
                yield
        finally:
            await storage.close()

    app = create_app(storage, plugins.serializers(), gateway_settings(settings), surroundings)
    plugins.gateway_routes(app, storage)
    return app


@contextmanager
def _on_signals(act: Callable[[], None]) -> Iterator[None]:
    """Call `act` in the event loop when the server is told to stop; it tells us only after the last stream ended."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    previous = {number: signal.getsignal(number) for number in SIGNALS}

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(act)
        handler = previous[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)
        else:
            signal.signal(number, handler)
            signal.raise_signal(number)

    for number in SIGNALS:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
