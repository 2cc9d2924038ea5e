"""Pictures of the page: `python tests/dashboard/screenshots.py FOLDER`, which needs Debian's chromium.

A platform of its own is started; the page is taken empty, busy and failing, at three widths, light and dark, and with
the panel of one task. docs/images has some of them.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, sync_playwright

from mpcsfaas import Client
from mpcsfaas.testing.platform import PlatformProcess

CHROMIUM = "/usr/bin/chromium"
SHOP = "/srv/shop/tasks.py"
"""Where the functions seem to be, as pictures of tracebacks tell."""
SIZES = {390: 844, 820: 1180, 1440: 900}
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
BUSY_SECONDS = 60
FAILING_SECONDS = 15


def main(folder: Path) -> None:
    """Take them all."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as state, sync_playwright() as playwright:
        platform = PlatformProcess(Path(state), "-m", "push", "-w", "3", "--push-port", "0")
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        with platform, Client(platform.url) as client:
            take_all(browser, platform.url, folder, "empty")
            viewer = browser.new_page()
            viewer.goto(platform.url)  # The queue is known from when somebody looks.
            failed = Work(client).go_on(BUSY_SECONDS, failing=0.02)
            take_all(browser, platform.url, folder, "busy")
            Work(client).go_on(FAILING_SECONDS, failing=0.7)
            take_all(browser, platform.url, folder, "failing")
            take_all(browser, platform.url, folder, "task", f"#/tasks/{failed}")
            browser.close()
            platform.kill()


class Work:
    """What a small company might have run."""

    def __init__(self, client: Client) -> None:
        self._client = client
        send_invoice.__code__ = send_invoice.__code__.replace(co_filename=SHOP)
        self._resize = client.register(resize_image)
        self._invoice = client.register(send_invoice)
        self._train = client.register(train_model)

    def go_on(self, seconds: float, failing: float) -> str:
        """Submit for so long, this share of it failing; the id of a task that is tried three times in vain."""
        failed = self._client.with_options(max_retries=2, retry_delay=0.5).submit(self._invoice, 1041)
        for epochs in (20, 40):
            self._client.submit(self._train, epochs)
        end = time.monotonic() + seconds
        number = 0
        while time.monotonic() < end:
            many = 15 + number % 23
            bad = round(many * failing + number % 2 * 0.5)
            self._client.submit_many(self._resize, [(width,) for width in range(number, number + many)])
            self._client.submit_many(self._invoice, [(one,) for one in range(number, number + bad)])
            number += many
            time.sleep(1)
        return failed.id


def resize_image(width: int) -> int:
    """Take some time."""
    time.sleep(0.05 + width * 37 % 101 / 500)
    return width


def train_model(epochs: int) -> None:
    """Take very long."""
    time.sleep(30 * epochs)


def send_invoice(number: int) -> None:
    """Fail."""
    sys.stdout.write(f"rendering invoice {number}\nconnecting to mail.example.org:587\n")
    sys.stderr.write("warning: the template has no French translation\n")
    time.sleep(0.2)
    raise ConnectionRefusedError(f"mail.example.org refused the connection for invoice {number}")


def take_all(browser: Browser, url: str, folder: Path, name: str, place: str = "") -> None:
    """Take one state of the page in each theme and width."""
    for theme in THEMES:
        for width, height in SIZES.items():
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)
            page = context.new_page()
            page.goto(f"{url}/{place}")
            page.wait_for_selector("aside dl" if place else ".tile")
            page.wait_for_timeout(1500)
            page.screenshot(path=folder / f"{name}-{theme}-{width}.png", full_page=not place)
            context.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
