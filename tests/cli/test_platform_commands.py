"""`mpcsfaas stats` and `workers`, and how every command finds its gateway."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mpcsfaas.cli.gateway import Address, find_address
from mpcsfaas.testing.command_line import CommandLine
from mpcsfaas.testing.platform import PlatformProcess, wait_until


def test_stats_count(mpcsfaas: CommandLine) -> None:
    before = mpcsfaas.json("stats")["completed"]
    mpcsfaas("run", "jobs.py:add", "1")
    assert mpcsfaas.json("stats")["completed"] == before + 1
    assert f"completed  {before + 1}" in mpcsfaas("stats")[0]


def test_workers_are_listed(mpcsfaas: CommandLine, platform: PlatformProcess) -> None:
    (dispatcher,) = mpcsfaas.json("workers")
    assert (dispatcher["strategy"], dispatcher["pid"]) == ("local", platform.pid)
    assert sum(worker["slots"] for worker in dispatcher["workers"]) == 2
    told = mpcsfaas("workers")[0]
    assert f"(local) on {dispatcher['host']}, process {platform.pid}" in told
    assert "rejected: 0 late words, 0 bad frames, 0 unknown keys" in told


def test_the_url_may_be_given(alone: CommandLine, platform: PlatformProcess) -> None:
    assert alone("stats", "--url", platform.url)[0] == alone("stats", MPCSFAAS_URL=platform.url)[0]


def test_without_a_platform_it_says_what_to_do(alone: CommandLine) -> None:
    complaint = alone.error("stats", "--url", "http://127.0.0.1:1", code=1)
    assert "http://127.0.0.1:1 cannot be reached" in complaint
    assert "Start one with `mpcsfaas up`" in complaint


def test_a_url_that_is_none_is_wrong_usage(alone: CommandLine) -> None:
    assert "'nowhere' is no URL of a gateway" in alone.error("stats", MPCSFAAS_URL="nowhere", code=2)


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[str]:
    """The URL of a web server that is no gateway."""
    code = (
        "import http.server as h, pathlib, sys\n"
        "server = h.ThreadingHTTPServer(('127.0.0.1', 0), h.SimpleHTTPRequestHandler)\n"
        "pathlib.Path('port.new').write_text(str(server.server_port)); pathlib.Path('port.new').rename('port')\n"
        "server.serve_forever()"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
        wait_until((tmp_path / "port").exists, what="the stranger's port")
        yield f"http://127.0.0.1:{(tmp_path / 'port').read_text()}"
        process.kill()


def test_what_is_no_gateway_is_told(alone: CommandLine, stranger: str) -> None:
    assert f"What answers at {stranger} is no mpcsfaas gateway." in alone.error("stats", "--url", stranger, code=1)
    findings = alone.json("doctor", "--url", stranger, code=1)
    assert [finding["subject"] for finding in findings if finding["status"] == "fail"] == ["gateway"]


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty state folder of a user with no settings."""
    for name in [name for name in os.environ if name.startswith("MPCSFAAS_")]:
        monkeypatch.delenv(name)
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mpcsfaas").mkdir()
    return tmp_path / "mpcsfaas"


def test_the_address_is_what_was_said_most_loudly(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_address(None) == Address("http://127.0.0.1:8000", chosen=False, key=None)
    (state / "up.json").write_text(f'{{"url": "http://127.0.0.1:81", "pid": {os.getpid()}}}')
    assert find_address(None) == Address("http://127.0.0.1:81", chosen=False, key=None)
    Path("mpcsfaas.toml").write_text('url = "http://127.0.0.1:82"\n')
    assert find_address(None) == Address("http://127.0.0.1:82", chosen=True, key=None)
    monkeypatch.setenv("MPCSFAAS_URL", "http://127.0.0.1:83")
    assert find_address(None) == Address("http://127.0.0.1:83", chosen=True, key=None)
    assert find_address("http://127.0.0.1:84") == Address("http://127.0.0.1:84", chosen=True, key=None)


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize("content", ["", "{}", '{"url": "http://127.0.0.1:81"}', "[1]", '{"url": 1, "pid": "x"}'])
def test_an_announcement_that_says_nothing_is_ignored(state: Path, content: str) -> None:
    (state / "up.json").write_text(content)
    assert find_address(None).url == "http://127.0.0.1:8000"


def test_an_announcement_of_a_process_that_has_ended_is_ignored(state: Path) -> None:
    (state / "up.json").write_text(f'{{"url": "http://127.0.0.1:81", "pid": {ended_process()}}}')
    assert find_address(None).url == "http://127.0.0.1:8000"
