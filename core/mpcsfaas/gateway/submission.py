"""From a request to an accepted task."""

from collections.abc import Mapping, Sequence

from msgspec import UNSET

from mpcsfaas.errors import StorageUnavailable
from mpcsfaas.gateway import problems
from mpcsfaas.gateway.context import Gateway
from mpcsfaas.gateway.schemas import AcceptedTask, TaskRequest
from mpcsfaas.interfaces.storage import Enqueued, EnqueueStatus
from mpcsfaas.model import State, Task, TaskOptions, TaskResult, new_task_id

DEFAULT_SERIALIZER = "dill"
PLAIN_SERIALIZER = "json"


def build_task(gateway: Gateway, request: TaskRequest, traceparent: str | None = None) -> Task:
    """The task that is asked for, its payload checked. Raises `Problem` or `InvalidPayload`.

    `traceparent` is of a task that does not bring its own.
    """
    serializer, payload = _arguments(gateway, request)
    return Task(
        id=str(request.task_id) if request.task_id else new_task_id(),
        function_id=str(request.function_id),
        payload=payload,
        serializer=serializer,
        created_at=gateway.storage.clock(),
        options=_options(gateway, request, traceparent),
    )


def check_size(gateway: Gateway, payload: bytes) -> None:
    """Raises a 413 `Problem` for a payload over the limit."""
    if len(payload) > gateway.settings.max_payload:
        raise problems.too_large("payload", gateway.settings.max_payload)


def check_call(gateway: Gateway, serializer: str, payload: bytes) -> None:
    """Raises `Problem` or `InvalidPayload` if a task cannot have this payload."""
    check_size(gateway, payload)
    gateway.serializer(serializer).check_quick(payload)


async def accept(gateway: Gateway, task: Task) -> AcceptedTask:
    """Enqueue one task, together with others that arrive just now. Raises a 404 or 409 `Problem`, `StorageError`."""
    (answer,) = await describe(gateway, [task], await gateway.enqueue.submit([task]))
    if isinstance(answer, problems.Problem):
        raise answer
    return answer


async def accept_and_wait(gateway: Gateway, task: Task, seconds: float) -> tuple[AcceptedTask, TaskResult | None]:
    """`accept` and, if the task ends within `seconds`, its result. What cannot be read now is None: it is accepted.

    Raises as `accept`, or `Problem` for a result that is gone.
    """
    with gateway.hub.watch(task.id) as ended:
        await gateway.hub.following()
        accepted = await accept(gateway, task)
        try:
            if accepted.duplicate:
                result = await gateway.result_within(accepted.id, seconds)
            else:
                result = await gateway.result_after(ended, accepted.id, seconds)
        except (StorageUnavailable, problems.Problem) as error:
            if isinstance(error, problems.Problem) and error.status_code != 503:
                raise
            return accepted, None
    return accepted, result if result.state.is_terminal else None


async def accept_all(gateway: Gateway, tasks: Sequence[Task]) -> list[AcceptedTask | problems.Problem]:
    """Enqueue tasks at once; the answer to each, in order. Raises `StorageError`."""
    return await describe(gateway, tasks, await gateway.storage.enqueue(tasks)) if tasks else []


async def describe(
    gateway: Gateway, tasks: Sequence[Task], enqueued: Sequence[Enqueued]
) -> list[AcceptedTask | problems.Problem]:
    """What to say about tasks after `enqueue`; only duplicates can be further than QUEUED."""
    duplicates = [item.task_id for item in enqueued if item.status is EnqueueStatus.DUPLICATE]
    records = await gateway.storage.get_tasks(duplicates) if duplicates else []
    states = {record.id: record.state for record in records if record}
    return [_described(task, item, states) for task, item in zip(tasks, enqueued, strict=True)]


def _described(task: Task, item: Enqueued, states: Mapping[str, State]) -> AcceptedTask | problems.Problem:
    if item.status is EnqueueStatus.ACCEPTED:
        return AcceptedTask(item.task_id, State.QUEUED, False)
    if item.status is EnqueueStatus.UNKNOWN_FUNCTION:
        return problems.unknown_function(task.function_id)
    if item.status is EnqueueStatus.UNKNOWN_PARENT:
        return problems.unknown_parent(task.id, task.options.after)
    state = states.get(item.task_id)
    return problems.task_id_taken(item.task_id) if state is None else AcceptedTask(item.task_id, state, True)


def _arguments(gateway: Gateway, request: TaskRequest) -> tuple[str, bytes]:
    if request.payload is UNSET:
        return PLAIN_SERIALIZER, _plain_arguments(gateway, request)
    if request.args is not UNSET or request.kwargs is not UNSET:
        raise problems.invalid_field(["body", "payload"], "Give either payload, or args and kwargs")
    serializer = DEFAULT_SERIALIZER if request.serializer is UNSET else request.serializer
    check_call(gateway, serializer, request.payload)
    return serializer, request.payload


def _plain_arguments(gateway: Gateway, request: TaskRequest) -> bytes:
    if request.serializer is not UNSET:
        raise problems.invalid_field(["body", "payload"], "A serializer is given, but no payload")
    args = () if request.args is UNSET else tuple(request.args)
    kwargs = {} if request.kwargs is UNSET else request.kwargs
    payload = gateway.serializer(PLAIN_SERIALIZER).dumps_call(args, kwargs)
    check_size(gateway, payload)
    return payload


def _options(gateway: Gateway, request: TaskRequest, traceparent: str | None) -> TaskOptions:
    return TaskOptions(
        max_retries=request.max_retries,
        retry_delay=request.retry_delay,
        max_redeliveries=request.max_redeliveries,
        timeout=request.timeout,
        deadline=request.deadline or gateway.settings.default_deadline,
        priority=request.priority,
        delay=request.delay,
        idempotency_key=request.idempotency_key,
        ttl=request.ttl,
        group=request.group,
        labels=tuple(request.labels),
        traceparent=request.traceparent or traceparent,
        after=tuple(dict.fromkeys(map(str, request.after))) if request.after else (),
    )
