"""One example of each structure, for the OpenAPI document."""

from typing import Any

from msgspec import Struct

from mpcsfaas.gateway import schemas
from mpcsfaas.gateway.counting import StatisticsAnswer
from mpcsfaas.gateway.problems import ProblemBody

FUNCTION_ID = "0c8a3d5e-7f0b-8a52-9a4e-3c1d2b4f6a70"
TASK_ID = "01942f6c-1c00-7c3a-8f00-5d6e7f8091a2"
CALLABLE = "gASVEgAAAAAAAACMCG9wZXJhdG9ylIwDYWRklJOULg=="

FUNCTION = {
    "id": FUNCTION_ID,
    "name": "add",
    "serializer": "dill",
    "python_version": "3.11",
    "serializer_version": "0.4.0",
    "description": "",
    "created_at": 1735689600.0,
}
TASK_REQUEST = {"function_id": FUNCTION_ID, "args": [1, 2], "kwargs": {}, "timeout": 30}
ACCEPTED = {"id": TASK_ID, "state": "QUEUED", "duplicate": False}
REFUSED = {
    "error": {
        "type": "urn:mpcsfaas:problem:unknown-function",
        "title": "Not Found",
        "status": 404,
        "detail": f"Function with {FUNCTION_ID} not found",
    }
}
TASK = {
    "id": TASK_ID,
    "function_id": FUNCTION_ID,
    "serializer": "json",
    "state": "RUNNING",
    "created_at": 1735689600.0,
    "finished_at": None,
    "attempt": 1,
    "failures": 0,
    "losses": 0,
    "failure": None,
    "options": {
        "max_retries": 0,
        "retry_delay": 1.0,
        "max_redeliveries": 3,
        "timeout": 30.0,
        "deadline": None,
        "priority": 0,
        "delay": 0.0,
        "idempotency_key": None,
        "ttl": 86400.0,
        "group": None,
        "labels": [],
    },
    "history": [],
    "expired": False,
    "retry_of": None,
}
STATE = {"id": TASK_ID, "state": "CANCELLED"}
RESULT = {"id": TASK_ID, "state": "COMPLETED", "serializer": "json", "value": 3, "failure": None}
DISPATCHER = {
    "id": "node-1/4700",
    "host": "node-1",
    "pid": 4700,
    "strategy": "local",
    "started_at": 1735689000.0,
    "workers": [
        {
            "id": "node-1/4711",
            "host": "node-1",
            "pid": 4711,
            "slots": 8,
            "busy": 3,
            "labels": [],
            "python_version": "3.11",
            "last_seen": 1735689600.0,
        }
    ],
    "fenced": 0,
    "malformed": 0,
    "refused": 0,
}
STATISTICS = {
    "queued": 12,
    "running": 3,
    "completed": 1000,
    "failed": 2,
    "cancelled": 0,
    "functions": 4,
    "fenced": 0,
    "oldest_queued_at": 1735689599.5,
}
EVENT = (
    f'id: 42\nevent: result\ndata: {{"id":"{TASK_ID}","state":"COMPLETED","serializer":"json","value":3,'
    '"failure":null,"sequence":42}\n\n'
)

EXAMPLES: dict[type[Struct], Any] = {
    ProblemBody: REFUSED["error"],
    StatisticsAnswer: STATISTICS,
    schemas.FunctionRequest: {"name": "add", "payload": CALLABLE, "python_version": "3.11"},
    schemas.FunctionAnswer: FUNCTION,
    schemas.FunctionPage: {"items": [FUNCTION], "cursor": None},
    schemas.TaskRequest: TASK_REQUEST,
    schemas.TaskBatch: {"tasks": [TASK_REQUEST]},
    schemas.AcceptedTask: ACCEPTED,
    schemas.RefusedTask: REFUSED,
    schemas.BatchAnswer: {"results": [ACCEPTED, REFUSED]},
    schemas.TaskState: STATE,
    schemas.CancelRequest: {"ids": [TASK_ID]},
    schemas.RetryRequest: {"ids": [TASK_ID]},
    schemas.CancelAnswer: {"results": [STATE]},
    schemas.TaskAnswer: TASK,
    schemas.TaskPage: {"items": [TASK], "cursor": None},
    schemas.ResultAnswer: RESULT,
    schemas.ResultsRequest: {"ids": [TASK_ID]},
    schemas.MissingResult: {"id": TASK_ID, **REFUSED},
    schemas.ResultsAnswer: {"results": [RESULT]},
    schemas.LogsAnswer: {"id": TASK_ID, "stdout": "adding 1 and 2\n", "stderr": ""},
    schemas.WorkersAnswer: {"dispatchers": [DISPATCHER]},
    schemas.HealthAnswer: {"status": "ok"},
    schemas.ReadyAnswer: {"status": "ready", "dispatchers": 1},
    schemas.ClassicFunctionRequest: {"name": "add", "payload": f"{CALLABLE}\n"},
    schemas.ClassicFunctionAnswer: {"function_id": FUNCTION_ID},
    schemas.ClassicTaskRequest: {"function_id": FUNCTION_ID, "payload": "gARLAUsChpR9lIaULg==\n"},
    schemas.ClassicTaskAnswer: {"task_id": TASK_ID},
    schemas.ClassicStatusAnswer: {"task_id": TASK_ID, "status": "COMPLETED"},
    schemas.ClassicResultAnswer: {"task_id": TASK_ID, "status": "COMPLETED", "result": "gAJLAy4=\n"},
    schemas.WelcomeAnswer: {
        "message": "MPCSFaaS: Function-as-a-Service",
        "version": "0.1.0",
        "documentation": "/docs",
        "openapi": "/openapi.json",
    },
}
