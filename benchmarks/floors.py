"""What the parts cost that a task system is made of, and single submissions beside the least that they could cost.

    uv run --group bench python -m benchmarks.floors [--rounds 5] [--out FOLDER]

An empty FastAPI endpoint takes turns with the gateway's two ways to submit a task, each sent over 32 connections; then
come one ZMQ round trip, one round trip through pipes to a child, and Redis pipelines.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import dill
from benchmarks.compare import summarise
from benchmarks.http_load import post
from benchmarks.measuring import Figures, count_for, latency, machine, throughput, versions
from benchmarks.processes import end, program, start
from benchmarks.round_trips import PIPELINED, pipe_echo, pipelines, zmq_echo
from benchmarks.systems.work import noop

from mpcsfaas import Client
from mpcsfaas.testing.deployment import Deployment
from mpcsfaas.testing.platform import free_port, wait_until
from mpcsfaas.testing.redis_server import RedisServer

CONNECTIONS = 32
DISTRIBUTIONS = ("mpcsfaas", "fastapi", "uvicorn", "uvloop", "httptools", "pydantic", "pyzmq", "redis", "hiredis")
SHARES = {"POST /v1/tasks": "empty /v1/tasks", "POST /execute_function": "empty /execute_function"}
"""Which floor each way to submit is compared with."""


class Requests:
    """One request to one server, as a workload that `throughput` measures."""

    def __init__(self, url: str, body: dict[str, object], parts: dict[str, int]) -> None:
        self._url = url
        self._body = json.dumps(body).encode()
        self._parts = parts

    def noops(self, count: int) -> None:
        post(self._url, self._body, count, CONNECTIONS)

    def processes(self) -> dict[str, int]:
        return self._parts


def measure_requests(requests: Requests) -> Figures:
    """Requests per second, and the CPU microseconds of each in every process."""
    requests.noops(CONNECTIONS)
    figures = throughput(requests, count_for(requests))
    return {"requests/s": figures.pop("tasks/s"), **figures}


@contextmanager
def submissions(folder: Path, redis: RedisServer) -> Iterator[dict[str, Requests]]:
    """Both ways to submit, to an empty service and to a gateway without workers, so that tasks only pile up."""
    deployment = Deployment(folder, "push", redis.url)
    gateway = deployment.gateway()
    with deployment, empty_service(folder) as (empty_url, empty_pid):
        url = deployment.start().url
        with Client(url) as client:
            function_id = client.register(noop)
        payload = b64encode(dill.dumps(((1,), {}))).decode()
        classic: dict[str, object] = {"function_id": function_id, "payload": payload}
        bodies = {"/v1/tasks": classic | {"serializer": "dill"}, "/execute_function": classic}
        ours = {"gateway": gateway.pid, "redis": redis.pid}
        yield {
            f"{word} {path}": Requests(base + path, body, parts)
            for path, body in bodies.items()
            for word, base, parts in (("empty", empty_url, {"service": empty_pid}), ("POST", url, ours))
        }


@contextmanager
def empty_service(folder: Path) -> Iterator[tuple[str, int]]:
    """`empty_app` on uvicorn as the gateway sets it up; its URL and process id."""
    port = free_port()
    parsing = ("--http", "httptools", "--loop", "uvloop", "--ws", "none", "--log-level", "warning")
    silence = ("--no-access-log", "--no-server-header", "--no-proxy-headers")
    address = ("--host", "127.0.0.1", "--port", str(port))
    log = folder / "empty.log"
    process = start([program("uvicorn"), "benchmarks.empty_app:app", *parsing, *silence, *address], log)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(partial(_answers, url), 20, f"an answer of the empty service ({log})")
        yield url, process.pid
    finally:
        end(process)


def _answers(url: str) -> bool:
    try:
        post(f"{url}/execute_function", b'{"function_id": "' + b"0" * 32 + b'", "payload": ""}', 1, 1)
    except OSError:
        return False
    return True


def run_rounds(rounds: int) -> dict[str, list[Figures]]:
    """The figures of each round."""
    figures: dict[str, list[Figures]] = {}
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        redis = stack.enter_context(RedisServer(Path(name)))
        measurements: dict[str, Callable[[], Figures]] = {
            name: partial(measure_requests, requests)
            for name, requests in stack.enter_context(submissions(Path(name), redis)).items()
        }
        measurements["ZMQ round trip"] = partial(latency, stack.enter_context(zmq_echo()))
        measurements["pipe round trip"] = partial(latency, stack.enter_context(pipe_echo()))
        measurements[f"Redis pipeline of {PIPELINED}"] = partial(pipelines, redis)
        for number in range(rounds):
            for name, measure in measurements.items():
                figures.setdefault(name, []).append(measure())
                print(f"round {number + 1} {name}: {figures[name][-1]}", flush=True)
    return figures


def shares(figures: dict[str, list[Figures]]) -> dict[str, list[Figures]]:
    """Each way to submit as a share of its floor, round by round."""
    return {
        f"{ours} / {floor}": [
            {"share": mine["requests/s"] / least["requests/s"]}
            for mine, least in zip(figures[ours], figures[floor], strict=True)
        ]
        for ours, floor in SHARES.items()
    }


def table(summary: dict[str, dict[str, dict[str, float]]]) -> str:
    """Markdown: medians with their spread."""
    lines = ["| part | figure | median | least | greatest |", "|---|---|---|---|---|"]
    for name, figures in summary.items():
        for figure, values in figures.items():
            form = "{:,.0f}" if values["median"] >= 100 else "{:.3g}"
            cells = (form.format(values[which]) for which in ("median", "min", "max"))
            lines.append(f"| {name} | {figure} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("benchmark-results"))
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    figures = run_rounds(arguments.rounds)
    report: dict[str, Any] = {
        "measured at": time.strftime("%Y-%m-%d %H:%M"),
        "machine": machine(),
        "rounds": arguments.rounds,
        "connections": CONNECTIONS,
        "versions": versions(DISTRIBUTIONS),
        "figures": summarise(figures | shares(figures)),
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "floors.json").write_text(json.dumps(report, indent=2) + "\n")
    (arguments.out / "floors.md").write_text(table(report["figures"]))
    print(table(report["figures"]))


if __name__ == "__main__":
    main()
