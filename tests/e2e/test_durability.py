"""Nothing accepted is lost, whatever is killed when."""

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import requests

from mpcsfaas.testing.platform import PlatformProcess, wait_until

TASKS = 5_000


def _write_line() -> Any:
    """A function without a module that holds it, so that dill pickles it by value."""

    def write_line(path: str, number: int) -> int:
        """Leave a trace outside the platform, then give the number back."""
        import os

        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, f"{number}\n".encode())
        os.close(descriptor)
        return number

    return write_line


def submit(url: str, function_id: str, ledger: Path, numbers: range) -> list[str]:
    tasks = [{"function_id": function_id, "args": [str(ledger), number]} for number in numbers]
    response = requests.post(f"{url}/v1/tasks:batch", json={"tasks": tasks}, timeout=30)
    response.raise_for_status()
    return [item["id"] for item in response.json()["results"]]


def statistics(url: str) -> dict[str, Any]:
    return dict(requests.get(f"{url}/v1/stats", timeout=30).json())


def register(url: str, function: Any) -> str:
    import base64

    import dill

    payload = base64.b64encode(dill.dumps(function, recurse=True)).decode()
    body = {"name": function.__name__, "payload": payload, "serializer": "dill"}
    response = requests.post(f"{url}/v1/functions", json=body, timeout=30)
    response.raise_for_status()
    return str(response.json()["id"])


@pytest.mark.timeout(400)
def test_kill_9_of_everything_amid_5000_tasks_loses_none(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    platform = PlatformProcess(tmp_path, "-w", "2", "--lease", "2")
    accepted: list[str] = []
    with platform:
        function_id = register(platform.url, _write_line())
        for start in range(0, TASKS, 500):
            accepted += submit(platform.url, function_id, ledger, range(start, start + 500))
        wait_until(lambda: ledger.exists() and ledger.stat().st_size > 500, 60, "some tasks having run")
        platform.kill()
    killed_after = len(ledger.read_text().split())
    assert killed_after < TASKS, "the kill must come in the middle"

    with platform:
        wait_until(lambda: statistics(platform.url)["completed"] == TASKS, 200, "every task having completed")
        assert {key: statistics(platform.url)[key] for key in ("queued", "running", "failed")} == {
            "queued": 0,
            "running": 0,
            "failed": 0,
        }
        values = [result_of(platform.url, task_id) for task_id in accepted]
    assert values == list(range(TASKS))
    runs = Counter(ledger.read_text().split())
    assert set(runs) == {str(number) for number in range(TASKS)}
    repeated = sum(runs.values()) - TASKS
    assert repeated < 200, "only what was in hand and not yet committed at the kill may run twice"


def result_of(url: str, task_id: str, session: requests.Session = requests.Session()) -> Any:  # noqa: B008
    answer = session.get(f"{url}/v1/tasks/{task_id}/result", timeout=30).json()
    assert answer["state"] == "COMPLETED", json.dumps(answer)
    return answer["value"]


def test_sigterm_finishes_what_runs_and_keeps_what_waits(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"

    def slow(path: str, number: int) -> int:
        import os
        import time

        time.sleep(0.3)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, f"{number}\n".encode())
        os.close(descriptor)
        return number

    platform = PlatformProcess(tmp_path, "-w", "2")
    with platform:
        accepted = submit(platform.url, register(platform.url, slow), ledger, range(12))
        wait_until(lambda: statistics(platform.url)["running"] > 0, what="a task running")
        assert platform.terminate() == 0
    with platform:
        wait_until(lambda: statistics(platform.url)["completed"] == 12, 30, "the rest having run")
        assert [result_of(platform.url, task_id) for task_id in accepted] == list(range(12))
    assert sorted(ledger.read_text().split(), key=int) == [str(number) for number in range(12)], "none ran twice"


def test_a_second_signal_stops_at_once_and_gives_the_task_back(tmp_path: Path) -> None:
    def sleep_first_time(path: str, number: int) -> int:
        import time
        from pathlib import Path

        marker = Path(path)
        if not marker.exists():
            marker.touch()
            time.sleep(600)
        return number

    platform = PlatformProcess(tmp_path, "-w", "1")
    with platform:
        [task_id] = submit(platform.url, register(platform.url, sleep_first_time), tmp_path / "marker", range(7, 8))
        wait_until((tmp_path / "marker").exists, what="the task having begun")
        children = platform.descendants()
        import os
        import signal

        os.kill(platform.pid, signal.SIGTERM)
        wait_until(lambda: "draining" in platform.log, what="the drain having begun")
        started = time.monotonic()
        os.kill(platform.pid, signal.SIGTERM)
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), 10, "the children being gone")
        assert time.monotonic() - started < 10
    with platform:
        wait_until(lambda: statistics(platform.url)["completed"] == 1, 10, "the task having run again")
        assert result_of(platform.url, task_id) == 7
