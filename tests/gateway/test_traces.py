"""The trace that a task is part of: from a header or its own field into the storage, wherever it is submitted."""

from typing import Any

import dill
import httpx
import pytest

from mpcsfaas.gateway import base64_text
from mpcsfaas.model import Failure, FailureKind
from mpcsfaas.testing.gateway import HandDispatcher

TRACE = "0af7651916cd43dd8448eb211c80319c"
VALID, OTHER = f"00-{TRACE}-b7ad6b7169203331-01", f"00-{TRACE}-00f067aa0ba902b7-00"


def submit(api: httpx.Client, way: str, function_id: str, header: str | None, **fields: Any) -> None:
    headers = {} if header is None else {"TraceParent": header}
    task = {"function_id": function_id, **fields}
    bodies: dict[str, tuple[str, Any]] = {
        "single": ("/v1/tasks", task),
        "batch": ("/v1/tasks:batch", {"tasks": [task]}),
        "classic": ("/execute_function", {**task, "payload": base64_text.encode(dill.dumps(((), {})))}),
    }
    path, body = bodies[way]
    assert api.post(path, json=body, headers=headers).is_success


@pytest.mark.parametrize("way", ["single", "batch", "classic"])
@pytest.mark.parametrize(("header", "kept"), [(VALID, VALID), (VALID[:-1], None), ("nonsense", None), (None, None)])
def test_the_header_is_kept_in_the_task_if_it_is_valid(
    api: httpx.Client, dispatcher: HandDispatcher, function_id: str, way: str, header: str | None, kept: str | None
) -> None:
    submit(api, way, function_id, header)
    (attempt,) = dispatcher.claim()
    assert attempt.task.options.traceparent == kept
    options = api.get(f"/v1/tasks/{attempt.task.id}").json()["options"]
    assert options.get("traceparent") == kept
    assert ("traceparent" in options) == (kept is not None)


@pytest.mark.parametrize("way", ["single", "batch"])
def test_a_task_may_bring_its_own(api: httpx.Client, dispatcher: HandDispatcher, function_id: str, way: str) -> None:
    submit(api, way, function_id, VALID, traceparent=OTHER)
    (attempt,) = dispatcher.claim()
    assert attempt.task.options.traceparent == OTHER


def test_an_own_one_that_is_none_is_refused(api: httpx.Client, function_id: str) -> None:
    answer = api.post("/v1/tasks", json={"function_id": function_id, "traceparent": VALID[:-1]})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["body", "traceparent"]


@pytest.mark.parametrize(("header", "kept"), [(OTHER, OTHER), (None, VALID)])
def test_what_is_done_again_is_part_of_who_asks_or_of_the_old_trace(
    api: httpx.Client, dispatcher: HandDispatcher, function_id: str, header: str | None, kept: str
) -> None:
    submit(api, "single", function_id, VALID)
    attempts = dispatcher.claim()
    dispatcher.fail(attempts, Failure(FailureKind.EXCEPTION, "no"))
    headers = {} if header is None else {"traceparent": header}
    answer = api.post("/v1/tasks:retry", json={"ids": [attempts[0].task.id]}, headers=headers)
    assert answer.json()["results"][0]["state"] == "QUEUED"
    (attempt,) = dispatcher.claim()
    assert attempt.task.options.traceparent == kept
