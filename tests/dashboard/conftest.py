"""A gateway with the page, a real browser, and pages that tell what went wrong in them."""

import os
import shutil
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from mpcsfaas.gateway.auth.keys import Scope, create_key, encode_key
from mpcsfaas.gateway.settings import GatewaySettings
from mpcsfaas.interfaces.storage import StorageOptions
from mpcsfaas.plugins import Plugins
from mpcsfaas.testing.gateway import GatewayThread
from mpcsfaas_serializers.dill import DillSerializer
from mpcsfaas_serializers.json import JsonSerializer
from mpcsfaas_storage_memory import MemoryStorage

PATIENCE = 15_000
"""Milliseconds."""

Opener = Callable[..., Page]


@pytest.fixture
def gateway() -> Iterator[GatewayThread]:
    storage = MemoryStorage("memory://", StorageOptions())
    thread = GatewayThread(storage, [DillSerializer(), JsonSerializer()], GatewaySettings())
    Plugins.select(["dashboard"]).gateway_routes(thread.app, storage)
    with thread:
        yield thread


@pytest.fixture
def api(gateway: GatewayThread) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, timeout=30) as client:
        yield client


@pytest.fixture
def new_key(gateway: GatewayThread) -> Callable[..., str]:
    """Makes a key of a tenant with scopes, as its owner writes it."""

    def make(tenant: str, *scopes: Scope) -> str:
        text, known = create_key(tenant, scopes, now=time.time())
        gateway.run(gateway.storage.put_key(known.id, encode_key(known)))
        return text

    return make


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window. Of a module, as no test can run an event loop meanwhile."""
    program = shutil.which("chromium")
    if program is None:
        assert "CI" not in os.environ, "chromium is missing; .ci/run installs it"
        pytest.skip("chromium is not installed: apt-get install chromium")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        # Root may not use Chromium's sandbox; what is shown here is ours.
        running = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"] * (os.geteuid() == 0))
        yield running
        running.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Opener]:
    """Opens a URL as a new visitor. No page may have logged an error, or asked another host, at the end of the test."""
    contexts, complaints = [], []

    def opened(url: str, width: int = 1280, height: int = 900, allowed: str = "") -> Page:
        context = browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()

        def on_console(message: ConsoleMessage) -> None:
            if message.type == "error" and not (allowed and allowed in message.text):
                complaints.append(message.text)

        page.on("console", on_console)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith(url) else complaints.append(request.url))
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
