"""The four endpoints of the original system, answer for answer."""

from fastapi import Request, Response

from mpcsfaas.gateway import base64_text, pickled
from mpcsfaas.gateway.auth.audit import note
from mpcsfaas.gateway.bodies import JSON, BodyReader, respond
from mpcsfaas.gateway.context import gateway_of
from mpcsfaas.gateway.openapi import READ_ERRORS, WRITE_ERRORS, answer, errors, request_body
from mpcsfaas.gateway.parameters import TASK_ID, task_id_of
from mpcsfaas.gateway.registration import register
from mpcsfaas.gateway.routing import subject_router
from mpcsfaas.gateway.schemas import (
    ClassicFunctionAnswer,
    ClassicFunctionRequest,
    ClassicResultAnswer,
    ClassicStatusAnswer,
    ClassicTaskAnswer,
    ClassicTaskRequest,
)
from mpcsfaas.gateway.submission import accept, check_call
from mpcsfaas.gateway.traces import HEADER, header_of, note_submitted
from mpcsfaas.model import (
    Failure,
    FailureKind,
    Function,
    State,
    Task,
    TaskOptions,
    TaskResult,
    function_id,
    new_task_id,
)

SERIALIZER = "dill"
LOADABLE = frozenset({"dill", "cloudpickle"})
"""Serializers whose bytes a client's `dill.loads` can read."""
WORDS = {
    FailureKind.TIMEOUT: "TaskTimeout",
    FailureKind.INVALID_PAYLOAD: "InvalidPayload",
    FailureKind.INCOMPATIBLE: "Incompatible",
}
"""How the text of a failure that is not the function's own begins; `WorkerFailure` for the other kinds."""


FUNCTION = BodyReader(ClassicFunctionRequest, [JSON])
TASK = BodyReader(ClassicTaskRequest, [JSON])

router = subject_router("classic", operations="classic")


@router.post(
    "/register_function",
    openapi_extra=request_body(ClassicFunctionRequest, [JSON]),
    responses={
        200: answer(ClassicFunctionAnswer, "Registered.", [JSON]),
        **errors(*WRITE_ERRORS),
    },
)
async def register_function(request: Request) -> Response:
    """Register a function."""
    gateway = gateway_of(request)
    wanted = await FUNCTION.read(request)
    payload = base64_text.decode(wanted.payload)
    identity = function_id(wanted.name, SERIALIZER, payload)
    function = Function(identity, wanted.name, payload, SERIALIZER, created_at=gateway.storage.clock())
    note(request.scope, function=identity, name=wanted.name)
    await register(gateway, function)
    return respond(request, ClassicFunctionAnswer(identity))


@router.post(
    "/execute_function",
    openapi_extra={"parameters": [HEADER], **request_body(ClassicTaskRequest, [JSON])},
    responses={
        200: answer(ClassicTaskAnswer, "Accepted.", [JSON]),
        **errors(404, *WRITE_ERRORS),
    },
)
async def execute_function(request: Request) -> Response:
    """Execute a function."""
    gateway = gateway_of(request)
    wanted = await TASK.read(request)
    payload = base64_text.decode(wanted.payload)
    check_call(gateway, SERIALIZER, payload)
    options = TaskOptions(deadline=gateway.settings.default_deadline, traceparent=header_of(request))
    function = str(wanted.function_id)
    task = Task(new_task_id(), function, payload, SERIALIZER, gateway.storage.clock(), options)
    note_submitted(request.scope, [task])
    accepted = await accept(gateway, task)
    note(request.scope, function=function, task=accepted.id)
    return respond(request, ClassicTaskAnswer(accepted.id))


@router.get(
    "/status/{task_id}",
    openapi_extra={"parameters": [TASK_ID]},
    responses={
        200: answer(ClassicStatusAnswer, "The status.", [JSON]),
        **errors(404, *READ_ERRORS),
    },
)
async def get_status(request: Request) -> Response:
    """Tell where a task stands."""
    result = await gateway_of(request).outcome(task_id_of(request))
    return respond(request, ClassicStatusAnswer(result.task_id, _status(result)))


@router.get(
    "/result/{task_id}",
    openapi_extra={"parameters": [TASK_ID]},
    responses={
        200: answer(ClassicResultAnswer, "The result.", [JSON]),
        **errors(404, 410, *READ_ERRORS),
    },
)
async def get_result(request: Request) -> Response:
    """Fetch a result; before the end it is the serialised string "NA"."""
    result = await gateway_of(request).result(task_id_of(request))
    text = base64_text.encode(_pickle(result))
    return respond(request, ClassicResultAnswer(result.task_id, _status(result), text))


def _status(result: TaskResult) -> State:
    return State.FAILED if result.state is State.CANCELLED else result.state


def _pickle(result: TaskResult) -> bytes:
    if not result.state.is_terminal:
        return pickled.text("NA")
    if result.state is State.CANCELLED:
        return pickled.runtime_error("TaskCancelled: The task was cancelled.")
    if result.failure and not (result.value and result.serializer in LOADABLE):
        return pickled.runtime_error(_describe(result.failure))
    if result.serializer not in LOADABLE:
        return pickled.runtime_error(
            f"Incompatible: The result is written by {result.serializer}; "
            f"fetch it from /v1/tasks/{result.task_id}/result."
        )
    return result.value


def _describe(failure: Failure) -> str:
    if failure.kind is FailureKind.EXCEPTION:
        word = failure.type or "Exception"
    else:
        word = WORDS.get(failure.kind, "WorkerFailure")
    text = f"{word}: {failure.message}"
    return f"{text}\n\n{failure.traceback}" if failure.traceback else text
