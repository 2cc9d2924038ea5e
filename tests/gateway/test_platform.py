"""What the platform says about itself."""

import asyncio
from collections.abc import Iterator

import httpx
import msgspec
import pytest

from mpcsfaas.gateway.counting import StatisticsAnswer
from mpcsfaas.model import DispatcherInfo, WorkerInfo
from mpcsfaas.testing.gateway import GatewayThread, HandDispatcher

WORKER = WorkerInfo("d/1", "node", 4711, slots=8, busy=3, labels=("gpu",), python_version="3.11", last_seen=5.0)


@pytest.fixture
def reported(gateway: GatewayThread) -> Iterator[None]:
    info = DispatcherInfo(
        "d", "node", 4700, "local", 1.0, gateway.storage.clock() + 60, (WORKER,), malformed=5, refused=6
    )
    gateway.run(gateway.storage.report_dispatcher(info))
    yield
    gateway.run(gateway.storage.remove_dispatcher("d"))


def test_healthy_while_it_serves(api: httpx.Client) -> None:
    answer = api.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.usefixtures("reported")
def test_ready_with_a_dispatcher(api: httpx.Client) -> None:
    answer = api.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "dispatchers": 1})


def test_not_ready_without_a_dispatcher(api: httpx.Client) -> None:
    answer = api.get("/readyz")
    assert answer.status_code == 503
    assert "dispatcher" in answer.json()["detail"]


def test_not_ready_when_the_storage_does_not_answer(
    gateway: GatewayThread, api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dispatchers() -> list[DispatcherInfo]:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(gateway.storage, "dispatchers", dispatchers)
    monkeypatch.setattr("mpcsfaas.gateway.routes.platform.STORAGE_PATIENCE", 0.05)
    answer = api.get("/readyz")
    assert answer.status_code == 503
    assert "storage" in answer.json()["detail"]


@pytest.mark.usefixtures("reported")
def test_workers_are_listed_by_dispatcher(api: httpx.Client) -> None:
    worker = {**msgspec.to_builtins(WORKER), "labels": ["gpu"]}
    assert api.get("/v1/workers").json() == {
        "dispatchers": [
            {
                "id": "d",
                "host": "node",
                "pid": 4700,
                "strategy": "local",
                "started_at": 1.0,
                "workers": [worker],
                "fenced": 0,
                "malformed": 5,
                "refused": 6,
            }
        ]
    }


def test_statistics_count(api: httpx.Client, dispatcher: HandDispatcher, function_id: str) -> None:
    before = api.get("/v1/stats").json()
    assert before.keys() == set(StatisticsAnswer.__struct_fields__)
    ids = [api.post("/v1/tasks", json={"function_id": function_id}).json()["id"] for _ in range(4)]
    dispatcher.complete(dispatcher.claim(1), b"1")
    dispatcher.claim(1)
    api.delete(f"/v1/tasks/{ids[2]}")
    after = api.get("/v1/stats").json()
    gains = {name: after[name] - before[name] for name in ("queued", "running", "completed", "cancelled", "failed")}
    assert gains == {"queued": 1, "running": 1, "completed": 1, "cancelled": 1, "failed": 0}
    assert after["oldest_queued_at"] > 0
