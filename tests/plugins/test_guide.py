"""The author's guide is true: every hook is in it, and every example in it is installed and works."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from mpcsfaas import hookspecs
from mpcsfaas.errors import InvalidPayload, SerializationError
from mpcsfaas.hookspecs import API_VERSION
from mpcsfaas.interfaces import Assignment, StrategyContext
from mpcsfaas.model import (
    Attempt,
    AttemptKey,
    AttemptResult,
    DispatcherInfo,
    FailureKind,
    Function,
    State,
    Task,
    WorkerInfo,
)
from mpcsfaas.plugins import Kind, Plugins, load, load_serializer
from mpcsfaas.plugins.conformance import conformance
from mpcsfaas.settings import Configuration, Document, Environment, Flags
from mpcsfaas.testing.distributions import Distributions

GUIDE = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text()
EXAMPLES = dict(re.findall(r"^`(\w+)`: [^\n]*\n\n```python\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL))
KINDS = {
    "threads": Kind.STRATEGY,
    "literal": Kind.SERIALIZER,
    "patient": Kind.DETECTOR,
    "scratch": Kind.STORAGE,
    "notes": Kind.EXTENSION,
}


@pytest.fixture(autouse=True)
def examples(installed: Distributions) -> Distributions:
    for name, source in EXAMPLES.items():
        installed.add(name, source, header="")
    return installed


@pytest.mark.parametrize("hook", [name for name in dir(hookspecs) if name.startswith("mpcsfaas_")])
def test_every_hook_is_documented_and_exemplified(hook: str) -> None:
    arguments = getattr(hookspecs, hook).__code__.co_varnames

    assert f"| `{hook}({', '.join(arguments)})` |" in GUIDE
    assert any(f"def {hook}(" in source for source in EXAMPLES.values())


def test_the_guide_names_the_api_version() -> None:
    assert f"is the version of this mpcsfaas (now {API_VERSION})" in GUIDE


@pytest.mark.parametrize(("name", "kind"), KINDS.items())
def test_every_example_passes_every_check(name: str, kind: Kind) -> None:
    plugin = load(name)

    assert plugin.kind is kind
    assert conformance(plugin) == ""
    assert set(EXAMPLES) == set(KINDS)


def run_tasks(function: Any, calls: Sequence[tuple[Any, ...]]) -> list[AttemptResult]:
    """What the example strategy, chosen and set up as users do it, makes of calls."""
    environment = Environment({"MPCSFAAS_THREADS_THREADS": "8"}, tuple(EXAMPLES))
    configuration = Configuration(Flags(), environment, Document())
    plugins = Plugins.select(["threads", "literal"], configuration.options)
    registered = Function("f", "f", load_serializer("dill").dumps(function), "dill", 0.0)
    payloads = [load_serializer("literal").dumps_call(call, {}) for call in calls]
    tasks = [Task(str(index), "f", payload, "literal", 0.0) for index, payload in enumerate(payloads)]
    return asyncio.run(_dispatch(plugins, [Assignment(Attempt(task, 1, 0.0), registered, None) for task in tasks]))


async def _dispatch(plugins: Plugins, assignments: Sequence[Assignment]) -> list[AttemptResult]:
    results: list[AttemptResult] = []
    done = asyncio.Event()
    strategy = plugins.strategy()
    context = StrategyContext(
        "d", plugins.serializers(), results.extend, done.set, _adopt_none, plugins.detector, print
    )
    await strategy.start(context)
    assert strategy.capacity() == 8
    strategy.dispatch(assignments)
    while len(results) < len(assignments):
        done.clear()
        await asyncio.wait_for(done.wait(), 10)
    assert strategy.capacity() == 8
    await strategy.stop()
    return sorted(results, key=lambda result: result.task_id)


async def _adopt_none(keys: Sequence[AttemptKey]) -> Sequence[AttemptKey]:
    return ()


def test_the_strategy_runs_tasks() -> None:
    results = run_tasks(lambda numerator, denominator: numerator // denominator, [(6, 3), (1, 0)])

    assert load_serializer("literal").loads(results[0].value) == 2
    failure = results[1].failure
    assert failure is not None
    assert (failure.kind, failure.type) == (FailureKind.EXCEPTION, "ZeroDivisionError")


def test_the_serializer_refuses_what_it_did_not_write() -> None:
    serializer = load_serializer("literal")

    assert serializer.loads(serializer.dumps({"a": (1, [b"2", None])})) == {"a": (1, [b"2", None])}
    with pytest.raises(InvalidPayload, match="no Python literal"):
        serializer.check(b"__import__('os')")
    with pytest.raises(SerializationError, match="cannot write a type"):
        serializer.dumps(int)


def test_the_detector_suspects_the_silent_but_not_after_its_own_sleep() -> None:
    detector = Plugins.select(["patient"]).detector()
    detector.beat("silent", 0.0)
    detector.beat("alive", 0.0)

    for now in range(0, 61, 12):
        detector.beat("alive", float(now))
        assert detector.suspects(float(now)) == []
    assert detector.suspects(61.0) == ["silent"]
    assert detector.suspects(1000.0) == []


def test_the_storage_is_chosen_by_its_scheme() -> None:
    storage = Plugins().storage("scratch://")

    assert (storage.name, storage.options.max_unfinished) == ("scratch", 1000)


def test_the_extension_observes_and_serves() -> None:
    plugins, app = Plugins.select(["notes"]), FastAPI()
    worker = WorkerInfo("w", "host", 2, slots=1, busy=0)
    plugins.dispatcher_starts(plugins.storage("memory://"))
    plugins.tasks_changed(["a", "b"], State.COMPLETED)
    plugins.workers_changed(DispatcherInfo("d", "host", 1, "local", 0.0, 1.0, (worker,)))
    plugins.gateway_routes(app, plugins.storage("memory://"))

    assert asyncio.run(_get(app, "/notes")) == {"COMPLETED": 2, "workers": 1}


def test_the_extension_has_options_that_reach_it_when_a_dispatcher_starts() -> None:
    configuration = Configuration(Flags(), Environment({"MPCSFAAS_NOTES_START": "7"}, ("notes",)), Document())
    plugins, app = Plugins.select(["notes"], configuration.options), FastAPI()
    plugins.dispatcher_starts(plugins.storage("memory://"))
    plugins.gateway_routes(app, plugins.storage("memory://"))

    assert asyncio.run(_get(app, "/notes")) == {"workers": 7}


async def _get(app: FastAPI, path: str) -> Any:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        return (await client.get(path)).json()


@pytest.mark.parametrize("selected", ["", "notes"])
def test_the_extension_adds_a_command(installed: Distributions, selected: str) -> None:
    command = [sys.executable, "-m", "mpcsfaas", "notes"]
    environment = installed.environment(MPCSFAAS_PLUGINS=selected)

    assert "GET /notes" in subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
