"""Executing functions: submitting, looking at, cancelling and retrying tasks."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response
from msgspec import Raw

from mpcsfaas.errors import SerializationError
from mpcsfaas.gateway import problems
from mpcsfaas.gateway.auth.audit import named, note
from mpcsfaas.gateway.bodies import BodyReader, media_type, respond, wants_msgpack
from mpcsfaas.gateway.context import Gateway, gateway_of
from mpcsfaas.gateway.openapi import READ_ERRORS, WRITE_ERRORS, answer, errors, request_body
from mpcsfaas.gateway.parameters import WAIT, wait_of
from mpcsfaas.gateway.retrying import retry
from mpcsfaas.gateway.routes.functions import Cursor, Limit
from mpcsfaas.gateway.routing import subject_router
from mpcsfaas.gateway.schemas import (
    AcceptedTask,
    BatchAnswer,
    CancelAnswer,
    CancelRequest,
    RefusedTask,
    ResultAnswer,
    RetryRequest,
    TaskAnswer,
    TaskBatch,
    TaskPage,
    TaskRequest,
    TaskState,
)
from mpcsfaas.gateway.submission import accept, accept_all, accept_and_wait, build_task
from mpcsfaas.gateway.traces import HEADER, header_of, note_cancelled, note_submitted
from mpcsfaas.interfaces.storage import TaskFilter
from mpcsfaas.model import State, Task

TASK = BodyReader(TaskRequest)
BATCH = BodyReader(TaskBatch)
CANCEL = BodyReader(CancelRequest)
RETRY = BodyReader(RetryRequest)

router = subject_router("tasks")


@router.post(
    "/v1/tasks",
    status_code=202,
    openapi_extra={"parameters": [WAIT, HEADER], **request_body(TaskRequest)},
    responses={
        202: answer(AcceptedTask, "Accepted; see Location."),
        200: answer(ResultAnswer, "With `wait`: the task has ended."),
        **errors(404, 409, 410, *WRITE_ERRORS),
    },
)
async def submit_task(request: Request) -> Response:
    """Execute a function. With `wait`, the result comes at once if it is there in time."""
    gateway = gateway_of(request)
    seconds = wait_of(request)
    task = build_task(gateway, await TASK.read(request), header_of(request))
    note_submitted(request.scope, [task])
    if seconds:
        accepted, result = await accept_and_wait(gateway, task, seconds)
    else:
        accepted, result = await accept(gateway, task), None
    note(request.scope, function=task.function_id, task=accepted.id)
    headers = {"Location": f"/v1/tasks/{accepted.id}"}
    if result is None:
        return respond(request, accepted, 202, headers)
    return respond(request, ResultAnswer.of(result, wants_msgpack(request)), 200, headers)


@router.post(
    "/v1/tasks:batch",
    openapi_extra={"parameters": [HEADER], **request_body(TaskBatch)},
    responses={
        200: answer(BatchAnswer, "One result per item, in order."),
        **errors(*WRITE_ERRORS),
    },
)
async def submit_batch(request: Request) -> Response:
    """Execute many functions. A bad item is refused by itself; the others are accepted."""
    gateway = gateway_of(request)
    batch = await BATCH.read(request)
    content_type = media_type(request.headers["content-type"])
    traceparent = header_of(request)
    built = [_build(gateway, item, content_type, traceparent) for item in batch.tasks]
    tasks = [item for item in built if isinstance(item, Task)]
    note_submitted(request.scope, tasks)
    note(request.scope, functions=named({task.function_id: None for task in tasks}), tasks=len(tasks))
    accepted = iter(await accept_all(gateway, tasks))
    results = [next(accepted) if isinstance(item, Task) else item for item in built]
    return respond(request, _batch_answer(results))


def _build(gateway: Gateway, item: Raw, content_type: str, traceparent: str | None) -> Task | problems.Problem:
    try:
        return build_task(gateway, TASK.decode(item, content_type), traceparent)
    except (problems.Problem, SerializationError) as error:
        return problems.problem_of(error)


def _batch_answer(results: Sequence[AcceptedTask | problems.Problem]) -> BatchAnswer:
    return BatchAnswer([RefusedTask(item.body) if isinstance(item, problems.Problem) else item for item in results])


@router.get(
    "/v1/tasks",
    responses={
        200: answer(TaskPage, "A page of tasks."),
        **errors(*READ_ERRORS),
    },
)
async def list_tasks(
    request: Request,
    state: State | None = None,
    function: UUID | None = None,
    group: Annotated[str | None, Query(min_length=1, max_length=255)] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    """List tasks, newest first."""
    criteria = TaskFilter(state, str(function) if function else None, group)
    try:
        page = await gateway_of(request).storage.list_tasks(criteria, cursor, limit)
    except ValueError as error:
        raise problems.invalid_field(["query", "cursor"], str(error)) from None
    return respond(request, TaskPage([TaskAnswer.of(record) for record in page.items], page.cursor))


@router.get(
    "/v1/tasks/{task_id}",
    responses={200: answer(TaskAnswer, "The task."), **errors(404, *READ_ERRORS)},
)
async def get_task(request: Request, task_id: UUID) -> Response:
    """Describe one task."""
    (record,) = await gateway_of(request).storage.get_tasks([str(task_id)])
    if record is None:
        raise problems.unknown_task(str(task_id))
    return respond(request, TaskAnswer.of(record))


@router.delete(
    "/v1/tasks/{task_id}",
    responses={200: answer(TaskState, "The state afterwards."), **errors(404, *READ_ERRORS)},
)
async def cancel_task(request: Request, task_id: UUID) -> Response:
    """Cancel a task. One that has ended stays as it is."""
    (state,) = await gateway_of(request).storage.cancel([str(task_id)])
    if state is None:
        raise problems.unknown_task(str(task_id))
    note_cancelled(request.scope, [str(task_id)])
    return respond(request, TaskState(str(task_id), state))


@router.post(
    "/v1/tasks:cancel",
    openapi_extra=request_body(CancelRequest),
    responses={
        200: answer(CancelAnswer, "Each task's state afterwards."),
        **errors(*WRITE_ERRORS),
    },
)
async def cancel_tasks(request: Request) -> Response:
    """Cancel many tasks."""
    ids = [str(task_id) for task_id in (await CANCEL.read(request)).ids]
    note(request.scope, ids=named(ids))
    states = await gateway_of(request).storage.cancel(ids)
    note_cancelled(request.scope, ids)
    return respond(request, CancelAnswer([TaskState(*pair) for pair in zip(ids, states, strict=True)]))


@router.post(
    "/v1/tasks:retry",
    openapi_extra={"parameters": [HEADER], **request_body(RetryRequest)},
    responses={200: answer(BatchAnswer, "One result per id, in order."), **errors(429, *WRITE_ERRORS)},
)
async def retry_tasks(request: Request) -> Response:
    """Do failed tasks again, each as a new one. To ask twice is harmless: there is only one such task for each."""
    ids = [str(task_id) for task_id in (await RETRY.read(request)).ids]
    note(request.scope, ids=named(ids))
    return respond(request, _batch_answer(await retry(gateway_of(request), ids, header_of(request))))
