"""The figures of a dispatcher, at a port of its own."""

import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from mpcsfaas.client import Client
from mpcsfaas.model import DispatcherInfo, State, WorkerInfo
from mpcsfaas.testing.platform import PlatformProcess, free_port, wait_until
from mpcsfaas_metrics.dispatcher import DispatcherFigures


def test_a_dispatcher_tells_what_it_has_done(tmp_path: Path) -> None:
    port = free_port()
    arguments = ("--plugin", "metrics", "--metrics-port", str(port), "-w", "1")
    with PlatformProcess(tmp_path, *arguments) as platform, Client(platform.url) as client:
        assert client.submit(len, "abc").result(timeout=30) == 3

        def told() -> str:
            return httpx.get(f"http://127.0.0.1:{port}/metrics").text

        wait_until(lambda: 'mpcsfaas_dispatcher_changes_total{state="COMPLETED"} 1.0' in told(), 10)
        assert 'mpcsfaas_dispatcher_changes_total{state="RUNNING"} 1.0' in told()
        assert httpx.get(f"{platform.url}/metrics").status_code == 200


def test_a_port_that_is_taken_is_said_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "mpcsfaas", "dispatcher", "--plugin", "metrics", "--metrics-port", port]
        output = subprocess.run(
            [*command, "--storage", "memory://"], capture_output=True, text=True, timeout=60, check=False
        )
    assert output.returncode
    assert f"Metrics cannot be served on 127.0.0.1:{port}" in " ".join(output.stderr.split())
    assert "Traceback" not in output.stderr


@pytest.mark.parametrize(("before", "after", "gone"), [("ab", "ab", 0), ("ab", "bc", 1), ("ab", "", 2)])
def test_workers_that_went_are_counted(before: str, after: str, gone: int) -> None:
    figures = DispatcherFigures()
    for names in (before, after):
        workers = tuple(WorkerInfo(name, "host", 1, slots=3, busy=0) for name in names)
        figures.workers_changed(DispatcherInfo("d", "host", 1, "push", 0.0, 1.0, workers))
    figures.tasks_changed(5, State.FAILED)
    value = figures.registry.get_sample_value
    assert value("mpcsfaas_dispatcher_workers_gone_total") == gone
    assert value("mpcsfaas_dispatcher_slots") == 3 * len(after)
    assert value("mpcsfaas_dispatcher_changes_total", {"state": "FAILED"}) == 5
