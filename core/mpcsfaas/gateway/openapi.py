"""The OpenAPI document, from the same structures that requests are checked with and answers are made of."""

from collections.abc import Sequence
from typing import Any

import msgspec
from fastapi import FastAPI
from msgspec import Struct

from mpcsfaas.gateway.auth.scopes import is_public, scope_of
from mpcsfaas.gateway.bodies import MEDIA_TYPES
from mpcsfaas.gateway.examples import EXAMPLES
from mpcsfaas.gateway.problems import PROBLEM_MEDIA_TYPE, ProblemBody
from mpcsfaas.gateway.schemas import TaskRequest

Schema = type[Struct]
Responses = dict[int | str, dict[str, Any]]

TASK_RULES = {
    "dependentSchemas": {"payload": {"properties": {"args": False, "kwargs": False}}},
    "dependentRequired": {"serializer": ["payload"]},
}
"""What the fields of a task request have to do with each other, which no field can say by itself."""

_REFERENCE = "#/components/schemas/{name}"

ERRORS = {
    400: "A body that is no JSON or msgpack, a payload that its serializer did not write, or an unknown serializer.",
    401: "No API key, one that is not valid, or a sender who is not known; see WWW-Authenticate.",
    403: "The API key is not good for this.",
    404: "Unknown function or task.",
    409: "The task id is taken.",
    410: "The result has expired.",
    413: "The body or the payload is over its limit.",
    415: "The content type is neither JSON nor msgpack.",
    421: "The Host header names something that this gateway does not answer for.",
    422: "A missing, mistyped or out-of-range field.",
    429: "The queue is full, or the API key has as many queued tasks, or is used as fast, as it may; see Retry-After.",
    500: "A defect of the gateway; its log has the cause under the id that the detail names.",
    503: "The storage is unavailable, or the gateway is shutting down; see Retry-After.",
}
KEY = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key. Without any, the gateway serves the user who runs it, from the same machine.",
}
READ_ERRORS = (401, 403, 421, 422, 429, 500, 503)
WRITE_ERRORS = (400, 413, 415, *READ_ERRORS)


def request_body(schema: Schema, media_types: Sequence[str] = MEDIA_TYPES) -> dict[str, Any]:
    """The documentation of a body that the route reads itself."""
    return {"requestBody": {"required": True, "content": _content(schema, media_types)}}


def answer(schema: Schema, description: str, media_types: Sequence[str] = MEDIA_TYPES) -> dict[str, Any]:
    """The documentation of one successful answer."""
    return {"description": description, "content": _content(schema, media_types)}


def errors(*statuses: int) -> Responses:
    """The documentation of error answers."""
    content = _content(ProblemBody, [PROBLEM_MEDIA_TYPE])
    return {status: {"description": ERRORS[status], "content": content} for status in statuses}


def document(app: FastAPI) -> None:
    """Put the structures that routes refer to into the application's OpenAPI document."""
    generate = app.openapi
    structures = _components()

    def openapi() -> dict[str, Any]:
        schema = generate()
        components = schema.setdefault("components", {})
        components.setdefault("schemas", {}).update(structures)
        components["securitySchemes"] = {"key": KEY}
        for path, operations in schema["paths"].items():
            for method, operation in operations.items():
                operation["security"] = _security(method.upper(), path)
        return schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend its document


def _security(method: str, path: str) -> list[dict[str, list[str]]]:
    """The scope that is needed; or nothing at all, as long as there are no keys."""
    return [] if is_public(path) else [{"key": [scope_of(method, path)]}, {}]


def _content(schema: Schema, media_types: Sequence[str]) -> dict[str, Any]:
    reference = {"$ref": _REFERENCE.format(name=schema.__name__)}
    return {media_type: {"schema": reference} for media_type in media_types}


def _components() -> dict[str, Any]:
    _, components = msgspec.json.schema_components(EXAMPLES, ref_template=_REFERENCE)
    components[TaskRequest.__name__] |= TASK_RULES
    for schema, example in EXAMPLES.items():
        components[schema.__name__]["examples"] = [example]
    return components
