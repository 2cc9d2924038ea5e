"""Tasks that are part of somebody's trace: whose they are, and what plugins around the application may know of them."""

from collections.abc import Sequence
from typing import Any

from fastapi import Request
from starlette.types import Scope

from mpcsfaas.model import Task
from mpcsfaas.trace_context import CANCELLED, SUBMITTED, traceparent_of

HEADER: dict[str, Any] = {
    "name": "traceparent",
    "in": "header",
    "required": False,
    "description": "The W3C trace context that the tasks belong to. What is no such context is ignored.",
    "schema": {"type": "string"},
}


def header_of(request: Request) -> str | None:
    """The trace context of a request, if it has a valid one."""
    header = request.headers.get("traceparent")
    return header and traceparent_of(header)


def note_submitted(scope: Scope, tasks: Sequence[Task]) -> None:
    """Say which of these tasks are part of a trace."""
    if traced := [task for task in tasks if task.options.traceparent]:
        scope[SUBMITTED] = traced


def note_cancelled(scope: Scope, task_ids: Sequence[str]) -> None:
    """Say which tasks are cancelled, traced or not."""
    scope[CANCELLED] = task_ids
