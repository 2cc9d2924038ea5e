"""A client that a generator writes from the OpenAPI document works, and every operation is in it."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests

from mpcsfaas.testing.platform import PlatformProcess

Register = Callable[[str], str]
Call = Callable[..., Any]

GENERATOR = Path(sys.executable).with_name("openapi-python-client")
PACKAGE = "generated_from_openapi"
COMPLAINT = re.compile(r"^(WARNING|ERROR) .*\n\n(.+)", re.MULTILINE)
UNKNOWN_TO_GENERATORS = "Unsupported content type application/x-msgpack"
"""Such a body is left out of the client; there is JSON for all."""


class Generated(NamedTuple):
    """The package that was written, and what the generator said."""

    folder: Path
    said: str


@pytest.fixture(scope="module")
def generated(platform: PlatformProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Generated]:
    folder = tmp_path_factory.mktemp("generated")
    (folder / "openapi.json").write_bytes(requests.get(f"{platform.url}/openapi.json", timeout=10).content)
    (folder / "config.yml").write_text("post_hooks: []\n")
    command = [str(GENERATOR), "generate", "--path", "openapi.json", "--meta", "none", "--config", "config.yml"]
    done = subprocess.run(
        [*command, "--output-path", PACKAGE], cwd=folder, text=True, check=True, capture_output=True,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield Generated(folder / PACKAGE, done.stdout + done.stderr)


@pytest.fixture(scope="module")
def models(generated: Generated) -> Any:
    return import_module(f"{PACKAGE}.models")


@pytest.fixture(scope="module")
def call(generated: Generated, platform: PlatformProcess) -> Iterator[Call]:
    """Calls an operation as its user would; the parsed answer."""
    with import_module(f"{PACKAGE}.client").Client(base_url=platform.url, raise_on_unexpected_status=True) as client:
        yield lambda operation, *words, **fields: import_module(f"{PACKAGE}.api.{operation}").sync(
            *words, client=client, **fields
        )


def test_the_generator_takes_all_of_the_document(generated: Generated, platform: PlatformProcess) -> None:
    assert set(COMPLAINT.findall(generated.said)) == {("WARNING", UNKNOWN_TO_GENERATORS)}, generated.said
    assert "Unable to" not in generated.said
    written = {path.stem for path in generated.folder.glob("api/*/*.py")} - {"__init__"}
    document = requests.get(f"{platform.url}/openapi.json", timeout=10).json()
    named = {operation["operationId"] for item in document["paths"].values() for operation in item.values()}
    assert written == {re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name) for name in named}


def test_a_task_is_executed_and_its_result_awaited(register: Register, call: Call, models: Any) -> None:
    request = models.TaskRequest(function_id=register("root"), args=[9])
    result = call("tasks.submit_task", body=request, wait=30)
    assert isinstance(result, models.ResultAnswer)
    assert (result.state, result.value, result.failure) == (models.State.COMPLETED, 3.0, None)
    assert call("tasks.get_result", result.id) == result


def test_each_item_of_a_batch_is_of_its_own_kind(register: Register, call: Call, models: Any) -> None:
    known = models.TaskRequest(function_id=register("root"), args=[-1], group="generated/batch", labels=[])
    unknown = models.TaskRequest(function_id="00000000-0000-4000-8000-000000000000")
    accepted, refused = call("tasks.submit_batch", body=models.TaskBatch(tasks=[known, unknown])).results
    assert isinstance(accepted, models.AcceptedTask)
    assert isinstance(refused, models.RefusedTask)
    assert refused.error.type_ == "urn:mpcsfaas:problem:unknown-function"

    body = models.ResultsRequest(ids=[accepted.id, unknown.function_id])
    missing = call("tasks.get_results", body=body).results[-1]
    assert isinstance(missing, models.MissingResult)
    failed = call("tasks.get_result", accepted.id, wait=30)
    assert (failed.state, failed.failure.kind, failed.failure.type_) == (
        models.State.FAILED,
        models.FailureKind.EXCEPTION,
        "ValueError",
    )
    (task,) = call("tasks.list_tasks", group="generated/batch").items
    assert (task.id, task.options.group, task.history[0].failure.type_) == (
        accepted.id,
        "generated/batch",
        "ValueError",
    )


def test_a_refusal_is_a_problem(call: Call, models: Any) -> None:
    problem = call("tasks.get_task", "00000000-0000-4000-8000-000000000000")
    assert isinstance(problem, models.ProblemBody)
    assert (problem.status, problem.type_) == (404, "urn:mpcsfaas:problem:unknown-task")


def test_functions_and_the_platform(register: Register, call: Call, models: Any) -> None:
    identity = register("echo")
    assert call("functions.get_function", identity).name == "echo"
    assert identity in {function.id for function in call("functions.list_functions").items}
    assert call("platform.get_readiness") == models.ReadyAnswer(status="ready", dispatchers=1)
    assert call("platform.get_statistics").functions >= 1
    (dispatcher,) = call("platform.list_workers").dispatchers
    assert sum(worker.slots for worker in dispatcher.workers) == 4


def test_a_function_is_registered_from_base64(platform: PlatformProcess, call: Call, models: Any) -> None:
    document = requests.get(f"{platform.url}/openapi.json", timeout=10).json()
    (example,) = document["components"]["schemas"]["FunctionRequest"]["examples"]
    function = call("functions.register_function", body=models.FunctionRequest.from_dict(example))
    assert function == call("functions.register_function", body=models.FunctionRequest.from_dict(example))
    request = models.TaskRequest(function_id=function.id, args=[20, 22])
    assert call("tasks.submit_task", body=request, wait=30).value == 42
    assert call("functions.delete_function", function.id) is None
