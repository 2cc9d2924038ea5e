"""The page in a browser, over a real platform: what runs, fails, is cancelled and is done again."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from mpcsfaas import Client
from mpcsfaas.testing.platform import PlatformProcess, wait_until

Opener = Callable[..., Page]

WIDTHS = (390, 820, 1440)
UNKNOWN = "\N{EN DASH}"
MARKUP = "<img src=x onerror='document.title=1'>"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformProcess]:
    with PlatformProcess(tmp_path_factory.mktemp("platform"), "-w", "2") as running:
        yield running


@pytest.fixture
def client(platform: PlatformProcess) -> Iterator[Client]:
    with Client(platform.url) as client:
        yield client


def wait_for_file(path: str) -> str:
    sys.stdout.write("waiting\n")
    end = time.monotonic() + 30.0  # So that a test that failed leaves nothing that runs on.
    while not Path(path).exists() and time.monotonic() < end:
        time.sleep(0.02)
    return path


def read(path: str) -> str:
    sys.stdout.write("reading now\n")
    sys.stderr.write(f"{MARKUP}\n")
    if not Path(path).exists():
        raise LookupError(f"{MARKUP} {path} is not there")
    return Path(path).read_text()


def panel_of(page: Page, task_id: str) -> "Panel":
    page.locator(f"a[href='#/tasks/{task_id}']").first.click()
    return Panel(page, task_id)


class Panel:
    """The panel of one task."""

    def __init__(self, page: Page, task_id: str) -> None:
        self.place = page.get_by_role("complementary", name="Task")
        expect(self.place).to_contain_text(task_id)

    def shows(self, *texts: str) -> None:
        for text in texts:
            expect(self.place).to_contain_text(text)

    def press(self, name: str) -> None:
        self.place.get_by_role("button", name=name).click()


def values(page: Page, chart: str, line: int) -> list[float | None]:
    """What a line of a chart shows."""
    read: list[float | None] = page.evaluate(
        "([chart, line]) => Chart.getChart(chart).data.datasets[line].data.map(({ y }) => y)", [chart, line]
    )
    return read


def tile(page: Page, name: str) -> str:
    return page.locator(".tile", has=page.get_by_role("heading", name=name, exact=True)).locator("output").inner_text()


def test_a_task_is_watched_from_its_start_to_its_end(
    platform: PlatformProcess, client: Client, open_page: Opener, tmp_path: Path
) -> None:
    page = open_page(platform.url)
    expect(page.get_by_text("Nothing runs just now.")).to_be_visible()
    expect(page.get_by_role("region", name="Workers").locator("tbody tr")).to_have_count(1)
    page.mouse.move(0, 0)
    task = client.submit(wait_for_file, str(tmp_path / "flag"))
    panel = panel_of(page, task.id)
    panel.shows("running", "wait_for_file", "Attempts")
    wait_until(lambda: tile(page, "Running") == "1", what="one running task")
    wait_until(lambda: 1 in values(page, "chart-Queue", 1), what="one running task in the chart")
    (tmp_path / "flag").touch()
    panel.shows("completed", "waiting")
    wait_until(lambda: tile(page, "Running") == "0", what="no running task")
    wait_until(lambda: tile(page, "Latency p50") != UNKNOWN, what="a latency")
    panel.press("Close")
    expect(page.get_by_role("region", name="Functions")).to_contain_text("wait_for_file")
    page.get_by_role("tab", name="Latest").click()
    expect(page.get_by_role("region", name="Tasks")).to_contain_text("completed")


def test_a_failure_is_understood_and_done_again(
    platform: PlatformProcess, client: Client, open_page: Opener, tmp_path: Path
) -> None:
    task = client.with_options(max_retries=1, retry_delay=0.01).submit(read, str(tmp_path / "late"))
    page = open_page(platform.url)
    expect(page.get_by_role("region", name="Recent failures")).to_contain_text("LookupError")
    panel = panel_of(page, task.id)
    panel.shows(
        "failed", f"{MARKUP} {tmp_path}/late is not there", "Traceback (most recent call last)", "raise LookupError"
    )
    panel.shows("reading now", "Printed to standard error")
    expect(panel.place.locator("tbody tr")).to_have_count(2)
    waiting, _, running = page.evaluate("Chart.getChart('timeline').data.datasets.map(({ data }) => data)")
    assert 0 == waiting[0][0] < running[0][0] < running[0][1] <= waiting[1][0] < running[1][0] < running[1][1]
    assert page.title() == "MPCSFaaS"
    assert panel.place.locator("img").count() == 0
    (tmp_path / "late").write_text("here")
    panel.press("Retry")
    page.get_by_role("link", name="Show it").click()
    panel.shows("completed", "Does again", f"…{task.id[-8:]}")


def test_what_runs_is_cancelled(platform: PlatformProcess, client: Client, open_page: Opener, tmp_path: Path) -> None:
    task = client.submit(wait_for_file, str(tmp_path / "never"))
    page = open_page(f"{platform.url}")
    panel = panel_of(page, task.id)
    panel.shows("running")
    panel.press("Cancel")
    panel.shows("cancelled")
    expect(page.get_by_role("status").filter(has_text="Cancelled.")).to_be_visible()
    wait_until(lambda: task.status() == "CANCELLED", what="the end of the task")


def test_the_list_stays_while_somebody_points_at_it(
    platform: PlatformProcess, client: Client, open_page: Opener, tmp_path: Path
) -> None:
    page = open_page(platform.url)
    tasks = page.get_by_role("region", name="Tasks")
    tasks.get_by_text("Nothing runs just now.").hover()
    task = client.submit(wait_for_file, str(tmp_path / "flag"))
    wait_until(lambda: tile(page, "Running") == "1", what="one running task")
    assert tasks.locator("tbody tr").count() == 0
    page.mouse.move(0, 0)
    expect(tasks.locator("tbody tr")).to_have_count(1)
    (tmp_path / "flag").touch()
    task.result(timeout=20)


def test_the_page_comes_back_with_the_gateway(platform: PlatformProcess, open_page: Opener) -> None:
    page = open_page(platform.url, allowed="ERR_INTERNET_DISCONNECTED")
    expect(page.get_by_text("live", exact=True)).to_be_visible()
    page.context.set_offline(True)
    expect(page.get_by_text("no answer, trying again")).to_be_visible()
    page.context.set_offline(False)
    expect(page.get_by_text("live", exact=True)).to_be_visible()


def narrow_to(page: Page, width: int) -> None:
    """Make the window so wide, and wait until the page is; charts take a moment."""
    page.set_viewport_size({"width": width, "height": 844})
    wait_until(lambda: page.evaluate("document.documentElement.scrollWidth") == width, what=f"a page {width} wide")


def test_nothing_is_wider_than_the_screen(
    platform: PlatformProcess, client: Client, open_page: Opener, tmp_path: Path
) -> None:
    task = client.submit(read, str(tmp_path / ("a_long_name" * 15)))
    page = open_page(platform.url)
    expect(page.get_by_role("region", name="Recent failures")).to_contain_text("a_long_name")
    for width in WIDTHS:
        narrow_to(page, width)
    panel = panel_of(page, task.id)
    panel.shows("Traceback")
    for width in WIDTHS:
        narrow_to(page, width)
        assert panel.place.evaluate("panel => panel.scrollWidth <= panel.clientWidth")


def test_a_page_that_nobody_sees_asks_nothing(platform: PlatformProcess, open_page: Opener) -> None:
    page = open_page(platform.url)
    page.clock.install()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    expect(page.locator(".tile").first).to_be_visible()
    page.evaluate("Object.defineProperty(document, 'hidden', { value: true, configurable: true })")
    page.clock.run_for(3_000)
    page.wait_for_load_state("networkidle")
    asked.clear()
    page.clock.run_for(60_000)
    assert asked == []
    with page.expect_request("**/v1/dashboard"):
        page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")


def test_light_and_dark(platform: PlatformProcess, open_page: Opener) -> None:
    page = open_page(platform.url)
    button = page.get_by_role("button", name="Colours")
    expect(page.locator(".tile").first).to_be_visible()
    colours = []
    for name in ("light", "dark"):
        button.click()
        expect(button).to_have_text(f"◐ {name}")
        colours.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(set(colours)) == 2
    page.reload()
    expect(button).to_have_text("◐ dark")


def test_up_has_no_page_if_told_so(tmp_path: Path) -> None:
    with PlatformProcess(tmp_path, "--no-dashboard", "-m", "push", "--push-port", "0") as platform:
        page = httpx.get(platform.url, headers={"Accept": "text/html"})
        assert "/assets/dashboard/" not in page.text
        assert httpx.get(f"{platform.url}/v1/dashboard").status_code == 404
