"""Errors as RFC 9457 problem details. One constructor for each kind of trouble, so that each has one wording."""

import logging
import re
import uuid
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from msgspec import UNSET, Struct, UnsetType
from starlette.exceptions import HTTPException
from starlette.routing import Match

from mpcsfaas.errors import QueueFull, QuotaExceeded, SerializationError, StorageUnavailable

logger = logging.getLogger("mpcsfaas.gateway")

PROBLEM_MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = {"Retry-After": "1"}

_PATH = re.compile(r"^(?P<message>.*?) - at `\$(?P<path>.*)`$", re.DOTALL)
_PATH_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")
_NAMED_FIELD = re.compile(r"(?:missing required|contains unknown) field `(.*)`")


class FieldError(Struct, frozen=True):
    """What is wrong with one field: where it is, and what was expected."""

    loc: list[str | int]
    msg: str


class ProblemBody(Struct, frozen=True):
    """RFC 9457 problem details; `errors` only for a 422."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] | UnsetType = UNSET


class Problem(HTTPException):
    """An error answer. Raise it anywhere below a route."""

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail, headers)
        self.kind = kind
        self.errors = errors

    @property
    def body(self) -> ProblemBody:
        """What the client reads."""
        return ProblemBody(
            type=f"urn:mpcsfaas:problem:{self.kind}",
            title=HTTPStatus(self.status_code).phrase,
            status=self.status_code,
            detail=self.detail,
            errors=list(self.errors) or UNSET,
        )

    def response(self) -> Response:
        """The problem as an answer."""
        return Response(
            msgspec.json.encode(self.body), self.status_code, media_type=PROBLEM_MEDIA_TYPE, headers=self.headers
        )


def malformed_body(reason: str) -> Problem:
    """The body is not the JSON or msgpack that its content type promises."""
    return Problem(400, "malformed-body", f"The request body cannot be read: {reason}.")


def invalid_payload(reason: str) -> Problem:
    """A payload that its serializer did not write, or arguments that cannot be serialised."""
    return Problem(400, "invalid-payload", reason)


def unknown_serializer(name: str, known: Sequence[str]) -> Problem:
    """No such serializer is loaded here."""
    return Problem(
        400,
        "unknown-serializer",
        f"Unknown serializer {name!r}; this gateway has {', '.join(sorted(known)) or 'none'}.",
    )


def unknown_function(function_id: str) -> Problem:
    """The function was never registered, or was deleted."""
    return Problem(404, "unknown-function", f"Function with {function_id} not found")


def unknown_task(task_id: str) -> Problem:
    """The task was never accepted, or is long forgotten."""
    return Problem(404, "unknown-task", f"Task with {task_id} not found")


def unknown_parent(task_id: str, parents: Sequence[str]) -> Problem:
    """A task that another is to come after was never accepted, or is long forgotten."""
    named = ", ".join(parents[:3]) + (", …" if len(parents) > 3 else "")
    return Problem(
        404,
        "unknown-parent",
        f"Task {task_id} is to come after tasks that are not all known ({named}). Submit these first, or before it in"
        " the same batch.",
    )


def not_failed(task_id: str, state: str) -> Problem:
    """Only what has failed is done again."""
    return Problem(
        409, "not-failed", f"Task {task_id} is {state}; only a FAILED one can be done again. Submit a new one instead."
    )


def arguments_gone(task_id: str) -> Problem:
    """The task failed, but its arguments are kept no longer."""
    return Problem(
        410,
        "arguments-gone",
        f"The arguments of task {task_id} are gone; its ttl has passed. Submit a new one.",
    )


def function_not_allowed(function_id: str) -> Problem:
    """The function is not on the list of those that may be registered."""
    return Problem(
        403,
        "function-not-allowed",
        f"The function {function_id} is not allowed here. Who runs the gateway can add this id to its list of functions"
        " (--allow-functions) and start it anew.",
    )


def task_id_taken(task_id: str) -> Problem:
    """Somebody else's task has this id."""
    return Problem(409, "task-id-taken", f"The task id {task_id} is taken. Choose another, or leave it out.")


def result_expired(task_id: str) -> Problem:
    """The task ended, but its result is kept no longer."""
    return Problem(410, "result-expired", f"The result of task {task_id} has expired; its ttl has passed.")


def too_large(what: str, limit: int) -> Problem:
    """A body or a payload is over its limit."""
    return Problem(413, "too-large", f"The {what} is larger than {limit} bytes, the limit of this gateway.")


def unsupported_media_type(given: str, accepted: Sequence[str]) -> Problem:
    """A write whose content type is not one of those accepted."""
    return Problem(
        415, "unsupported-media-type", f"Content-Type {given!r} is not accepted here; send {' or '.join(accepted)}."
    )


def misdirected(host: str) -> Problem:
    """The Host header names something that this gateway does not answer for."""
    return Problem(
        421, "misdirected", f"This gateway does not answer for host {host!r}; add it to the setting allowed_hosts."
    )


def invalid_field(location: Sequence[str | int], message: str) -> Problem:
    """One field that is missing, mistyped or out of range."""
    return invalid_fields([FieldError(list(location), message)])


def invalid_fields(errors: Sequence[FieldError]) -> Problem:
    """Fields that are missing, mistyped or out of range."""
    detail = "; ".join(f"{'.'.join(map(str, error.loc))}: {error.msg}" for error in errors)
    return Problem(422, "invalid-field", detail, errors)


def invalid_structure(error: msgspec.ValidationError) -> Problem:
    """A body that does not fit its schema, as msgspec says it."""
    found = _PATH.match(str(error))
    message, path = (found["message"], found["path"]) if found else (str(error), "")
    location: list[str | int] = ["body"]
    location += [name or int(index) for name, index in _PATH_STEP.findall(path)]
    if named := _NAMED_FIELD.search(message):
        location.append(named[1])
    return invalid_field(location, message)


def queue_full(error: QueueFull) -> Problem:
    """The bound on unfinished tasks is reached."""
    return Problem(429, "queue-full", f"{error} Try again later.", headers=RETRY_AFTER)


def quota_exceeded(error: QuotaExceeded) -> Problem:
    """The key has as many queued tasks as it may."""
    return Problem(
        429,
        "quota-exceeded",
        f"The API key {error.owner} may have no more than {error.max_queued} queued tasks (max_queued), so nothing of"
        " this was accepted. Submit fewer at once, or try again when some have started.",
        headers=RETRY_AFTER,
    )


def unavailable(reason: str) -> Problem:
    """Something that the gateway needs is not there just now."""
    return Problem(503, "unavailable", reason, headers=RETRY_AFTER)


def shutting_down() -> Problem:
    """The gateway ends; another one, or the next one, will answer."""
    return Problem(503, "shutting-down", "The gateway is shutting down. Try again later.", headers=RETRY_AFTER)


def internal(error: Exception) -> Problem:
    """A defect. The client gets an id; the log gets the traceback under the same id."""
    incident = uuid.uuid4().hex[:12]
    logger.error("Unexpected error %s", incident, exc_info=error, extra={"request_id": incident})
    return Problem(500, "internal", f"Unexpected error; the gateway's log has it under {incident}.")


def problem_of(error: Exception) -> Problem:
    """The problem that an exception amounts to. Logs what is unexpected."""
    match error:
        case Problem():
            return error
        case StorageUnavailable():
            return unavailable(f"The storage is unavailable: {str(error).rstrip('.')}. Try again later.")
        case QuotaExceeded():
            return quota_exceeded(error)
        case QueueFull():
            return queue_full(error)
        case SerializationError():
            return invalid_payload(str(error))
        case RequestValidationError():
            return invalid_fields([_field_error(entry) for entry in error.errors()])
        case HTTPException():
            kind = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
            return Problem(error.status_code, kind, str(error.detail), headers=error.headers)
        case _:
            return internal(error)


def _field_error(entry: Mapping[str, Any]) -> FieldError:
    return FieldError(list(entry["loc"]), str(entry["msg"]))


def allowed_methods(request: Request) -> str:
    """The methods of all routes of the request's path, as the Allow header names them."""
    routes = [route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE]
    return ", ".join(sorted({method for route in routes for method in route.methods or ()}))


def install(app: FastAPI) -> None:
    """Let every expected exception of a route become a problem."""

    async def answer(_: Request, error: Exception) -> Response:
        return problem_of(error).response()

    async def refuse_method(request: Request, error: Exception) -> Response:
        """Starlette names the methods of the first route of this path only."""
        problem = problem_of(error)
        return Problem(405, problem.kind, str(problem.detail), headers={"Allow": allowed_methods(request)}).response()

    app.add_exception_handler(405, refuse_method)
    for kind in (HTTPException, RequestValidationError, StorageUnavailable, QueueFull, SerializationError):
        app.add_exception_handler(kind, answer)
