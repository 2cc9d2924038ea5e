"""How tasks ended, and what they printed."""

from uuid import UUID

from fastapi import Request, Response

from mpcsfaas.gateway import problems
from mpcsfaas.gateway.bodies import respond, wants_msgpack
from mpcsfaas.gateway.context import gateway_of
from mpcsfaas.gateway.openapi import READ_ERRORS, answer, errors
from mpcsfaas.gateway.parameters import TASK_ID, WAIT, task_id_of, wait_of
from mpcsfaas.gateway.routing import subject_router
from mpcsfaas.gateway.schemas import LogsAnswer, ResultAnswer, TaskState

router = subject_router("tasks")


@router.get(
    "/v1/tasks/{task_id}/result",
    openapi_extra={"parameters": [TASK_ID, WAIT]},
    responses={
        200: answer(ResultAnswer, "The task has ended."),
        202: answer(TaskState, "The task has not ended yet; see Retry-After."),
        **errors(404, 410, *READ_ERRORS),
    },
)
async def get_result(request: Request) -> Response:
    """Fetch a result, waiting for it if asked to."""
    result = await gateway_of(request).result_within(task_id_of(request), wait_of(request))
    if result.state.is_terminal:
        return respond(request, ResultAnswer.of(result, wants_msgpack(request)))
    return respond(request, TaskState(result.task_id, result.state), 202, problems.RETRY_AFTER)


@router.get(
    "/v1/tasks/{task_id}/logs",
    responses={200: answer(LogsAnswer, "What was printed."), **errors(404, *READ_ERRORS)},
)
async def get_logs(request: Request, task_id: UUID) -> Response:
    """Read what the latest finished attempt printed."""
    logs = await gateway_of(request).storage.get_logs(str(task_id))
    if logs is None:
        raise problems.unknown_task(str(task_id))
    return respond(request, LogsAnswer(logs.task_id, logs.stdout, logs.stderr))
