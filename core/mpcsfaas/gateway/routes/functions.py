"""Registering functions."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response

from mpcsfaas.gateway import problems
from mpcsfaas.gateway.auth.audit import note
from mpcsfaas.gateway.bodies import BodyReader, respond
from mpcsfaas.gateway.context import gateway_of
from mpcsfaas.gateway.openapi import READ_ERRORS, WRITE_ERRORS, answer, errors, request_body
from mpcsfaas.gateway.registration import register
from mpcsfaas.gateway.routing import subject_router
from mpcsfaas.gateway.schemas import FunctionAnswer, FunctionPage, FunctionRequest
from mpcsfaas.model import Function, function_id

READER = BodyReader(FunctionRequest)
Limit = Annotated[int, Query(ge=1, le=1000, description="Most items to give.")]
Cursor = Annotated[str | None, Query(description="Where the previous page ended.")]

router = subject_router("functions")


@router.post(
    "/v1/functions",
    status_code=201,
    openapi_extra=request_body(FunctionRequest),
    responses={
        201: answer(FunctionAnswer, "Registered; see Location."),
        200: answer(FunctionAnswer, "The same content was registered before."),
        **errors(*WRITE_ERRORS),
    },
)
async def register_function(request: Request) -> Response:
    """Register a function. The same content again gives the same id."""
    gateway = gateway_of(request)
    wanted = await READER.read(request)
    identity = function_id(wanted.name, wanted.serializer, wanted.payload)
    note(request.scope, function=identity, name=wanted.name)
    function, is_new = await register(
        gateway,
        Function(
            id=identity,
            name=wanted.name,
            payload=wanted.payload,
            serializer=wanted.serializer,
            created_at=gateway.storage.clock(),
            python_version=wanted.python_version,
            serializer_version=wanted.serializer_version,
            description=wanted.description,
        ),
    )
    headers = {"Location": f"/v1/functions/{function.id}"}
    return respond(request, FunctionAnswer.of(function), 201 if is_new else 200, headers)


@router.get(
    "/v1/functions",
    responses={
        200: answer(FunctionPage, "A page of functions."),
        **errors(*READ_ERRORS),
    },
)
async def list_functions(request: Request, cursor: Cursor = None, limit: Limit = 100) -> Response:
    """List the functions, without payloads."""
    try:
        page = await gateway_of(request).storage.list_functions(cursor, limit)
    except ValueError as error:
        raise problems.invalid_field(["query", "cursor"], str(error)) from None
    return respond(request, FunctionPage([FunctionAnswer.of(function) for function in page.items], page.cursor))


@router.get(
    "/v1/functions/{function_id}",
    responses={200: answer(FunctionAnswer, "The function."), **errors(404, *READ_ERRORS)},
)
async def get_function(request: Request, function_id: UUID) -> Response:
    """Describe one function."""
    function = await gateway_of(request).storage.get_function(str(function_id))
    if function is None:
        raise problems.unknown_function(str(function_id))
    return respond(request, FunctionAnswer.of(function))


@router.delete(
    "/v1/functions/{function_id}",
    status_code=204,
    responses={204: {"description": "Deleted."}, **errors(404, *READ_ERRORS)},
)
async def delete_function(request: Request, function_id: UUID) -> Response:
    """Delete a function. Accepted tasks still run; new ones are refused."""
    if not await gateway_of(request).storage.delete_function(str(function_id)):
        raise problems.unknown_function(str(function_id))
    return Response(status_code=204)
