"""`connect()`: named, found, or started."""

import asyncio
import json
import os
import pickle
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mpcsfaas.client import AsyncClient, Client, connect, connect_async, embedded, errors
from mpcsfaas.client.async_embedded import EmbeddedAsyncClient
from mpcsfaas.client.embedded import EmbeddedClient
from mpcsfaas.testing.platform import PlatformProcess, wait_until


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("MPCSFAAS_URL", raising=False)
    (tmp_path / "mpcsfaas").mkdir()
    return tmp_path / "mpcsfaas"


def is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_the_one_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPCSFAAS_URL", "http://127.0.0.1:9")
    with connect(timeout=3) as client:
        assert type(client) is Client
        assert client.url == "http://127.0.0.1:9"


def test_the_one_that_runs(platform: PlatformProcess, state: Path) -> None:
    (state / "up.json").write_text(json.dumps({"url": platform.url, "pid": platform.pid}))
    with connect() as client:
        assert type(client) is Client
        assert client.run(pow, 2, 5) == 32


def test_up_says_where_it_runs(platform: PlatformProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(platform.folder))
    assert embedded.find_running() == (platform.url, platform.pid)


def ended_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return process.pid


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"url": 5, "pid": "x"}', "DEAD", "DEAF"])
def test_what_is_left_of_one_that_died_is_ignored(state: Path, content: str) -> None:
    traces = {
        "DEAD": {"url": "http://127.0.0.1:9", "pid": ended_process()},
        "DEAF": {"url": "http://127.0.0.1:9", "pid": os.getpid()},
    }
    (state / "up.json").write_text(json.dumps(traces[content]) if content in traces else content)
    assert embedded.find_running() is None


def test_one_is_started_and_stopped() -> None:
    """It outlives the thread that asked for it, though not the process."""
    with ThreadPoolExecutor(1) as pool:
        client = pool.submit(connect).result()
    with client:
        assert isinstance(client, EmbeddedClient)
        pid = client._platform._process.pid
        assert is_running(pid)
        assert client.run(pow, 2, 5) == 32
        copy = pickle.loads(pickle.dumps(client))
        assert type(copy) is Client
        assert copy.run(pow, 2, 6) == 64
        copy.close()
    assert not is_running(pid)
    client.close()


def test_one_is_started_and_stopped_in_asyncio() -> None:
    async def main() -> int:
        async with await connect_async(timeout=20) as client:
            assert isinstance(client, EmbeddedAsyncClient)
            pid = client._platform._process.pid
            assert await client.run(pow, 2, 5) == 32
            async with pickle.loads(pickle.dumps(client)) as copy:
                assert type(copy) is AsyncClient
                assert copy.url == client.url
            async with await connect_other(client.url) as other:
                assert type(other) is AsyncClient
        await client.close()
        return pid

    assert not is_running(asyncio.run(main()))


async def connect_other(url: str) -> AsyncClient:
    """The one that the environment names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPCSFAAS_URL", url)
        return await connect_async()


SCRIPT = """
from mpcsfaas import Executor, connect
client = connect()
print(client._platform._process.pid, flush=True)
executor = Executor(client)
future = executor.submit(pow, 2, 5)
future.add_done_callback(lambda future: print(future.result()))
"""


def test_it_is_stopped_at_the_end_of_a_script_after_its_executors() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=90, check=False)
    assert done.stderr == ""
    pid, result = done.stdout.split()
    assert result == "32"
    assert not is_running(int(pid))


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGKILL])
def test_whatever_ends_a_script_stops_it(signal_number: signal.Signals) -> None:
    """Ctrl-C goes to the whole foreground, yet the platform must hear of it from the client only."""
    script = "import time\n" + SCRIPT + "time.sleep(3600)\n"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            pid = int(process.stdout.readline())
            assert process.stdout.readline() == b"32\n"
            process.send_signal(signal_number)
            process.communicate(timeout=60)
        finally:
            process.kill()
    wait_until(lambda: not is_running(pid), 30, "the platform's end")


def test_one_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPCSFAAS_STORAGE", "nonsense://")
    with pytest.raises(errors.GatewayUnavailable, match=r"ended with code 2(.|\n)*nonsense"):
        connect()
