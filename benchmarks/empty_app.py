"""The least that a FastAPI service does for a request that submits a task: read its body, and answer."""

from uuid import UUID

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict


class ClassicTask(BaseModel):
    """The fields of `mpcsfaas.gateway.schemas.ClassicTaskRequest`."""

    function_id: UUID
    payload: str


class Task(BaseModel):
    """The fields of `mpcsfaas.gateway.schemas.TaskRequest`."""

    model_config = ConfigDict(extra="forbid")

    function_id: UUID
    args: list[object] | None = None
    kwargs: dict[str, object] | None = None
    payload: str | None = None
    serializer: str | None = None
    task_id: UUID | None = None
    max_retries: int = 0
    retry_delay: float = 0.0
    max_redeliveries: int = 0
    timeout: float | None = None
    deadline: float | None = None
    priority: int = 0
    delay: float = 0.0
    idempotency_key: str | None = None
    ttl: float = 0.0
    group: str | None = None
    labels: list[str] = []


app = FastAPI()


@app.post("/execute_function")
async def execute_function(task: ClassicTask) -> dict[str, str]:
    """Answer as the gateway does."""
    return {"task_id": str(task.function_id)}


@app.post("/v1/tasks", status_code=202)
async def submit_task(task: Task) -> dict[str, str | bool]:
    """Answer as the gateway does."""
    return {"id": str(task.function_id), "state": "QUEUED", "duplicate": False}
