"""One HTTP request and its answer, as plain data, and what an answer means. No I/O."""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

import msgspec

from mpcsfaas.client.errors import (
    AccessDenied,
    GatewayError,
    GatewayUnavailable,
    NotFound,
    PayloadTooLarge,
    RequestRefused,
    ResultExpired,
)
from mpcsfaas.client.records import Problem

T = TypeVar("T")

MSGPACK = "application/x-msgpack"
BUSY = (429, 503)
"""Statuses after which the same request may succeed."""
encode = msgspec.msgpack.Encoder().encode

_ERRORS: dict[int, type[GatewayError]] = {
    401: AccessDenied,
    403: AccessDenied,
    404: NotFound,
    410: ResultExpired,
    413: PayloadTooLarge,
    429: GatewayUnavailable,
    503: GatewayUnavailable,
}


class Request(NamedTuple):
    """What is to be sent, after `delay` seconds. `wait` is how long the gateway may hold back its answer."""

    method: str
    path: str
    body: bytes | None = None
    params: Mapping[str, str] = {}
    wait: float = 0.0
    delay: float = 0.0


class Response(NamedTuple):
    """What came back. `retry_after` is in seconds, None if the gateway did not say."""

    status: int
    content: bytes
    content_type: str = MSGPACK
    retry_after: float | None = None


def get(path: str, wait: float = 0.0, **params: Any) -> Request:
    """A GET request; parameters that are None are left out."""
    return Request(
        "GET", path, params={name: str(value) for name, value in params.items() if value is not None}, wait=wait
    )


def post(path: str, content: Any, wait: float = 0.0) -> Request:
    """A POST request with a msgpack body."""
    return Request("POST", path, encode(content), {"wait": str(wait)} if wait else {}, wait)


def decode(response: Response, type_: type[T]) -> T:
    """The body as `type_`. Raises the error that the answer stands for if its status is none of success."""
    if response.status >= 300:
        raise error_of(response)
    try:
        return _decoded(response, type_)
    except msgspec.DecodeError as error:
        message = f"The answer of the gateway is not understood: {error}. Is the URL that of an mpcsfaas gateway?"
        raise RequestRefused(message, response.status) from error


def error_of(response: Response) -> GatewayError:
    """The exception for an answer that is none of success."""
    try:
        problem = _decoded(response, Problem)
    except msgspec.DecodeError:
        problem = Problem(detail=response.content[:200].decode(errors="replace"))
    return error_for(Problem(response.status, problem.title, problem.detail))


def error_for(problem: Problem) -> GatewayError:
    """The exception for a problem, of a whole request or of one item."""
    text = problem.detail or problem.title or "no reason given"
    return _ERRORS.get(problem.status, RequestRefused)(f"{text} (HTTP {problem.status})", problem.status)


def _decoded(response: Response, type_: type[T]) -> T:
    if response.content_type.partition(";")[0].strip() == MSGPACK:
        return msgspec.msgpack.decode(response.content, type=type_)
    return msgspec.json.decode(response.content, type=type_)
