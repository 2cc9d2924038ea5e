"""How tasks ended, and what they printed."""

from uuid import UUID

from fastapi import Request, Response

from mpcsfaas.gateway import problems
from mpcsfaas.gateway.bodies import BodyReader, respond, wants_msgpack
from mpcsfaas.gateway.context import gateway_of
from mpcsfaas.gateway.ended import Ended, ended_within
from mpcsfaas.gateway.openapi import READ_ERRORS, WRITE_ERRORS, answer, errors, request_body
from mpcsfaas.gateway.parameters import TASK_ID, WAIT, task_id_of, wait_of
from mpcsfaas.gateway.routing import subject_router
from mpcsfaas.gateway.schemas import (
    LogsAnswer,
    MissingResult,
    ResultAnswer,
    ResultsAnswer,
    ResultsRequest,
    TaskState,
)
from mpcsfaas.model import TaskResult

RESULTS = BodyReader(ResultsRequest)

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


@router.post(
    "/v1/tasks:results",
    openapi_extra={"parameters": [WAIT], **request_body(ResultsRequest)},
    responses={
        200: answer(ResultsAnswer, "Those that have ended; none if the wait was in vain."),
        **errors(*WRITE_ERRORS),
    },
)
async def get_results(request: Request) -> Response:
    """Fetch the results of those of many tasks that have ended, waiting for the first if asked to.

    Results that would make the answer too long are left for the next one: ask again without the ids that it has.
    """
    ids = [str(task_id) for task_id in (await RESULTS.read(request)).ids]
    ended = await ended_within(gateway_of(request), ids, wait_of(request))
    return respond(request, ResultsAnswer([_answer(each, wants_msgpack(request)) for each in ended]))


def _answer(ended: Ended, as_msgpack: bool) -> ResultAnswer | MissingResult:
    if isinstance(ended, TaskResult):
        return ResultAnswer.of(ended, as_msgpack)
    task_id, problem = ended
    return MissingResult(task_id, problem.body)


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
