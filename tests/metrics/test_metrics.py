"""The figures of a gateway that tells Prometheus how the platform does."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from mpcsfaas.gateway.settings import GatewaySettings
from mpcsfaas.interfaces.storage import StorageOptions
from mpcsfaas.model import AttemptRecord, DispatcherInfo, Failure, FailureKind, Function, WorkerInfo, function_id
from mpcsfaas.plugins import Plugins
from mpcsfaas.testing.gateway import GatewayThread, HandDispatcher
from mpcsfaas_metrics.ended_tasks import cause_of
from mpcsfaas_serializers.json import JsonSerializer
from mpcsfaas_storage_memory import MemoryStorage


@pytest.fixture
def gateway() -> Iterator[GatewayThread]:
    storage = MemoryStorage("memory://", StorageOptions())
    thread = GatewayThread(storage, [JsonSerializer()], GatewaySettings())
    Plugins.select(["metrics"]).gateway_routes(thread.app, storage)
    with thread:
        yield thread


@pytest.fixture
def api(gateway: GatewayThread) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, timeout=30) as client:
        yield client


def scrape(api: httpx.Client) -> dict[str, float]:
    answer = api.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    samples = [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]
    return {" ".join([sample.name, *sample.labels.values()]): sample.value for sample in samples}


def submit(gateway: GatewayThread, api: httpx.Client, count: int) -> None:
    identity = function_id("f", "json", b"")
    gateway.run(gateway.storage.put_function(Function(identity, "f", b"", "json", time.time())))
    for _ in range(count):
        assert api.post("/v1/tasks", json={"function_id": identity, "args": []}).status_code == 202


def test_the_queue_and_what_has_ended(gateway: GatewayThread, api: httpx.Client) -> None:
    assert scrape(api)["mpcsfaas_oldest_queued_seconds"] == 0
    submit(gateway, api, 4)
    queued = scrape(api)
    assert queued["mpcsfaas_tasks QUEUED"] == 4
    assert queued["mpcsfaas_functions"] == 1
    assert queued["mpcsfaas_oldest_queued_seconds"] > 0
    dispatcher = HandDispatcher(gateway)
    first, second, third = dispatcher.claim(3)
    dispatcher.complete([first, second], b"1")
    dispatcher.fail([third], Failure(FailureKind.CRASHED, "The process that ran the task was killed by SIGSEGV (x)."))
    for _ in range(2):  # The second scrape must not count them again.
        figures = scrape(api)
        assert figures["mpcsfaas_tasks QUEUED"] == 1
        assert figures["mpcsfaas_tasks_ended_total COMPLETED"] == 2
        assert figures["mpcsfaas_tasks_ended_total FAILED"] == 1
        assert figures["mpcsfaas_attempts_total completed"] == 2
        assert figures["mpcsfaas_attempts_total crashed"] == 1
        assert figures["mpcsfaas_crashes_total SIGSEGV"] == 1
        assert figures["mpcsfaas_queued_seconds_count"] == 3


def test_workers_and_those_that_went(gateway: GatewayThread, api: httpx.Client) -> None:
    workers = tuple(WorkerInfo(name, "host", 1, slots=4, busy=1) for name in ("one", "two"))

    def report(present: tuple[WorkerInfo, ...]) -> dict[str, float]:
        info = DispatcherInfo("d", "host", 1, "push", 0.0, time.time() + 60, present, 7, malformed=8, refused=9)
        gateway.run(gateway.storage.report_dispatcher(info))
        return scrape(api)

    figures = report(workers)
    assert figures["mpcsfaas_dispatchers"] == 1
    assert figures["mpcsfaas_workers d push"] == 2
    assert figures["mpcsfaas_slots d push"] == 8
    assert figures["mpcsfaas_slots_busy d push"] == 2
    assert figures["mpcsfaas_fenced_results d push"] == 7
    assert figures["mpcsfaas_bad_frames d push"] == 8
    assert figures["mpcsfaas_refused_connections d push"] == 9
    assert figures["mpcsfaas_workers_gone_total"] == 0
    assert report(workers[:1])["mpcsfaas_workers_gone_total"] == 1
    gateway.run(gateway.storage.remove_dispatcher("d"))
    figures = scrape(api)
    assert figures["mpcsfaas_workers_gone_total"] == 2
    assert "mpcsfaas_workers d push" not in figures


def test_requests_are_counted_also_those_that_the_guard_refuses(api: httpx.Client) -> None:
    assert api.get("/healthz").status_code == 200
    assert api.get("/healthz", headers={"Host": "rebound.example"}).status_code == 421
    assert api.post("/v1/tasks", content=b"x").status_code == 415
    assert api.request("PROPFIND", "/healthz").status_code == 405
    figures = scrape(api)
    assert figures["mpcsfaas_requests_total GET 200"] == 1
    assert figures["mpcsfaas_requests_total GET 421"] == 1
    assert figures["mpcsfaas_requests_total POST 415"] == 1
    assert figures["mpcsfaas_requests_total other 405"] == 1


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("The process that ran the task was killed by SIGKILL (Killed), possibly …", "SIGKILL"),
        ("The process that ran the task exited with code 3.", "exit 3"),
        ("The task was killed because it had more processes running than max_processes allows.", "limit"),
    ],
)
def test_crashes_have_few_causes(message: str, cause: str) -> None:
    assert cause_of(AttemptRecord(1, failure=Failure(FailureKind.CRASHED, message))) == cause


def test_without_its_library_it_is_listed_with_the_command_that_installs_it() -> None:
    script = """
import sys
sys.modules["prometheus_client"] = None
from mpcsfaas.plugins import catalogue
[info] = [info for info in catalogue() if info.name == "metrics"]
print(info.status, info.reason)
"""
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert output.stdout.startswith("broken")
    assert "pip install 'mpcsfaas[metrics]'" in output.stdout


def test_a_gateway_without_it_has_no_such_route_and_does_not_import_its_library() -> None:
    script = "import sys, mpcsfaas.gateway.app, mpcsfaas.cli.serving; print('prometheus_client' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert output.stdout == "False\n"


def names_in_dashboard() -> set[str]:
    dashboard = json.loads((Path(__file__).parents[2] / "deploy/grafana/mpcsfaas.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return {name for expression in expressions for name in re.findall(r"mpcsfaas_\w+", expression)}


def test_the_dashboard_shows_figures_that_there_are(gateway: GatewayThread, api: httpx.Client) -> None:
    scrape(api)
    submit(gateway, api, 2)
    dispatcher = HandDispatcher(gateway)
    done, crashed = dispatcher.claim(2)
    dispatcher.complete([done], b"1")
    dispatcher.fail([crashed], Failure(FailureKind.CRASHED, "exited with code 1"))
    info = DispatcherInfo("d", "host", 1, "push", 0.0, time.time() + 60)
    gateway.run(gateway.storage.report_dispatcher(info))
    told = {name.partition(" ")[0] for name in [*scrape(api), *scrape(api)]}
    assert names_in_dashboard() - told == set()
