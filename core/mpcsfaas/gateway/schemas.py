"""What requests must look like, and what answers do. One set of structures for JSON, msgpack and OpenAPI."""

from typing import Annotated, Any
from uuid import UUID

from msgspec import UNSET, Meta, Raw, Struct, UnsetType, structs

from mpcsfaas.gateway.problems import ProblemBody
from mpcsfaas.model import (
    DEFAULT_MAX_REDELIVERIES,
    DEFAULT_RESULT_TTL,
    DEFAULT_RETRY_DELAY,
    AttemptRecord,
    DispatcherInfo,
    Failure,
    FailureKind,
    Function,
    State,
    TaskOptions,
    TaskRecord,
    TaskResult,
    WorkerInfo,
)
from mpcsfaas.trace_context import PATTERN

TEN_YEARS = 10 * 365 * 86400.0
MAX_BATCH = 10_000
MAX_WATCHED = 1000
MAX_PARENTS = 1000

Duration = Annotated[float, Meta(ge=0, le=TEN_YEARS, description="Seconds.")]
Limit = Annotated[float, Meta(gt=0, le=TEN_YEARS, description="Seconds.")]
Count = Annotated[int, Meta(ge=0, le=1_000_000)]
Priority = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1, description="Higher runs first.")]
Word = Annotated[str, Meta(min_length=1, max_length=255)]
Words = Annotated[list[Word], Meta(max_length=64)]
Name = Annotated[str, Meta(max_length=1000)]
TraceParent = Annotated[str, Meta(pattern=PATTERN, max_length=55, description="W3C Trace Context, version 00.")]
Text = Annotated[str, Meta(max_length=100_000)]

# Functions


class FunctionRequest(Struct, forbid_unknown_fields=True, frozen=True):
    """A function to register. `payload` is the serialised callable: base64 text in JSON, bytes in msgpack."""

    name: Name
    payload: bytes
    serializer: Word = "dill"
    python_version: Annotated[str, Meta(max_length=32)] = ""
    serializer_version: Annotated[str, Meta(max_length=64)] = ""
    description: Text = ""


class FunctionAnswer(Struct, frozen=True):
    """A registered function, without its payload."""

    id: str
    name: str
    serializer: str
    python_version: str
    serializer_version: str
    description: str
    created_at: float

    @classmethod
    def of(cls, function: Function) -> "FunctionAnswer":
        """The public view of a function."""
        return cls(*(getattr(function, name) for name in cls.__struct_fields__))


class FunctionPage(Struct, frozen=True):
    """A slice of the functions; `cursor` continues it, null at the end."""

    items: list[FunctionAnswer]
    cursor: str | None


# Tasks

_ANY_ITEMS = Meta(extra_json_schema={"items": {}})
"""Said only for generators of clients, which do not take an array that says nothing of its items."""


class TaskRequest(Struct, forbid_unknown_fields=True, frozen=True):
    """A function to execute: with `args` and `kwargs` as plain JSON, or with `payload`, the serialised pair of them."""

    function_id: UUID
    args: Annotated[list[Any], _ANY_ITEMS] | UnsetType = UNSET
    kwargs: dict[str, Any] | UnsetType = UNSET
    payload: bytes | UnsetType = UNSET
    serializer: Word | UnsetType = UNSET
    task_id: UUID | None = None
    max_retries: Count = 0
    retry_delay: Duration = DEFAULT_RETRY_DELAY
    max_redeliveries: Count = DEFAULT_MAX_REDELIVERIES
    timeout: Limit | None = None
    deadline: Limit | None = None
    priority: Priority = 0
    delay: Duration = 0.0
    idempotency_key: Word | None = None
    ttl: Duration = DEFAULT_RESULT_TTL
    group: Word | None = None
    labels: Words = []
    traceparent: TraceParent | None = None
    """Instead of the request's header."""
    after: Annotated[list[UUID], Meta(max_length=MAX_PARENTS)] = []
    """Tasks that must have completed before this one starts."""


_TASK_REFERENCE = Meta(extra_json_schema={"$ref": "#/components/schemas/TaskRequest"})


class TaskBatch(Struct, forbid_unknown_fields=True, frozen=True):
    """Up to 10,000 tasks. Each item is judged by itself."""

    tasks: Annotated[list[Annotated[Raw, _TASK_REFERENCE]], Meta(max_length=MAX_BATCH)]


class AcceptedTask(Struct, frozen=True):
    """A task that is accepted; `duplicate` if it was already, under this id or idempotency key."""

    id: str
    state: State
    duplicate: bool


class RefusedTask(Struct, frozen=True):
    """A task of a batch that is not accepted; `error` is a problem."""

    error: ProblemBody


_EITHER = [{"$ref": "#/components/schemas/AcceptedTask"}, {"$ref": "#/components/schemas/RefusedTask"}]


class BatchAnswer(Struct, frozen=True):
    """One result per item, in order: an AcceptedTask or a RefusedTask."""

    results: list[Annotated[Any, Meta(extra_json_schema={"anyOf": _EITHER})]]


class TaskState(Struct, frozen=True):
    """Where a task stands; null for an unknown one."""

    id: str
    state: State | None


class CancelRequest(Struct, forbid_unknown_fields=True, frozen=True):
    """Tasks to cancel."""

    ids: Annotated[list[UUID], Meta(max_length=MAX_BATCH)]


class RetryRequest(Struct, forbid_unknown_fields=True, frozen=True):
    """Failed tasks to do again."""

    ids: Annotated[list[UUID], Meta(max_length=MAX_BATCH)]


class CancelAnswer(Struct, frozen=True):
    """Each task's state afterwards, in order."""

    results: list[TaskState]


class FailureAnswer(Struct, frozen=True):
    """Why an attempt failed."""

    kind: FailureKind
    message: str
    type: str
    traceback: str

    @classmethod
    def of(cls, failure: Failure | None) -> "FailureAnswer | None":
        """Every field, also the empty ones."""
        return cls(failure.kind, failure.message, failure.type, failure.traceback) if failure else None


class AttemptAnswer(Struct, frozen=True):
    """One line of a task's history."""

    number: int
    worker: str
    claimed_at: float
    sent_at: float
    started_at: float
    finished_at: float
    failure: FailureAnswer | None

    @classmethod
    def of(cls, record: AttemptRecord) -> "AttemptAnswer":
        """Every field, also the empty ones."""
        return cls(**{**structs.asdict(record), "failure": FailureAnswer.of(record.failure)})


class OptionsAnswer(Struct, frozen=True):
    """How a task is to be run."""

    max_retries: int
    retry_delay: float
    max_redeliveries: int
    timeout: float | None
    deadline: float | None
    priority: int
    delay: float
    idempotency_key: str | None
    ttl: float
    group: str | None
    labels: tuple[str, ...]
    traceparent: str | UnsetType = UNSET
    after: tuple[str, ...] | UnsetType = UNSET

    @classmethod
    def of(cls, options: TaskOptions) -> "OptionsAnswer":
        """Every option; the trace context and the parents only if there are any."""
        fields = structs.asdict(options)
        return cls(**{**fields, "traceparent": options.traceparent or UNSET, "after": options.after or UNSET})


class TaskAnswer(Struct, frozen=True):
    """A task's record."""

    id: str
    function_id: str
    serializer: str
    state: State
    created_at: float
    finished_at: float | None
    attempt: int
    failures: int
    losses: int
    failure: FailureAnswer | None
    options: OptionsAnswer
    history: list[AttemptAnswer]
    expired: bool
    retry_of: str | None

    @classmethod
    def of(cls, record: TaskRecord) -> "TaskAnswer":
        """The public view of a record."""
        fields = {name: getattr(record, name) for name in cls.__struct_fields__}
        fields["failure"] = FailureAnswer.of(record.failure)
        fields["options"] = OptionsAnswer.of(record.options)
        fields["history"] = [AttemptAnswer.of(attempt) for attempt in record.history]
        return cls(**fields)


class TaskPage(Struct, frozen=True):
    """A slice of the tasks, newest first; `cursor` continues it, null at the end."""

    items: list[TaskAnswer]
    cursor: str | None


class ResultAnswer(Struct, frozen=True):
    """How a task ended. `value` is base64 text, or for the serializer `json` the value itself; in msgpack, bytes.

    For a FAILED task it is the serialised exception, if there is one. `sequence` is there in a stream only.
    """

    id: str
    state: State
    serializer: str
    value: Any
    failure: FailureAnswer | None
    sequence: int | UnsetType = UNSET

    @classmethod
    def of(cls, result: TaskResult, as_msgpack: bool, sequence: int | UnsetType = UNSET) -> "ResultAnswer":
        """The public view of a result. A JSON value is passed on as it is, without being read."""
        value: bytes | Raw | None = result.value or None
        if value and result.serializer == "json" and not as_msgpack:
            value = Raw(value)
        return cls(result.task_id, result.state, result.serializer, value, FailureAnswer.of(result.failure), sequence)


class ResultsRequest(Struct, forbid_unknown_fields=True, frozen=True):
    """Tasks whose results are wanted."""

    ids: Annotated[list[UUID], Meta(min_length=1, max_length=MAX_WATCHED)]


class MissingResult(Struct, frozen=True):
    """A task that is unknown, or whose result has expired; `error` is a problem."""

    id: str
    error: ProblemBody


_EITHER_RESULT = [{"$ref": "#/components/schemas/ResultAnswer"}, {"$ref": "#/components/schemas/MissingResult"}]


class ResultsAnswer(Struct, frozen=True):
    """The tasks that have ended, in the order of their ids: a ResultAnswer or a MissingResult for each."""

    results: list[Annotated[Any, Meta(extra_json_schema={"anyOf": _EITHER_RESULT})]]


class LogsAnswer(Struct, frozen=True):
    """What the latest finished attempt printed."""

    id: str
    stdout: str
    stderr: str


# Platform


class DispatcherAnswer(Struct, frozen=True):
    """A dispatcher and its workers."""

    id: str
    host: str
    pid: int
    strategy: str
    started_at: float
    workers: tuple[WorkerInfo, ...]
    fenced: int
    malformed: int
    refused: int

    @classmethod
    def of(cls, info: DispatcherInfo) -> "DispatcherAnswer":
        """The public view of a dispatcher's report."""
        return cls(*(getattr(info, name) for name in cls.__struct_fields__))


class WorkersAnswer(Struct, frozen=True):
    """Every dispatcher that is alive."""

    dispatchers: list[DispatcherAnswer]


class HealthAnswer(Struct, frozen=True):
    """The process serves."""

    status: str


class ReadyAnswer(Struct, frozen=True):
    """Storage answers, and so many dispatchers consume."""

    status: str
    dispatchers: int


# Classic


class ClassicFunctionRequest(Struct, frozen=True):
    """A function to register; `payload` is MIME base64 of what dill wrote."""

    name: Name
    payload: str


class ClassicFunctionAnswer(Struct, frozen=True):
    """The id of the registered function."""

    function_id: str


class ClassicTaskRequest(Struct, frozen=True):
    """A function to execute; `payload` is MIME base64 of what dill wrote of the pair (args, kwargs)."""

    function_id: UUID
    payload: str


class ClassicTaskAnswer(Struct, frozen=True):
    """The id of the accepted task."""

    task_id: str


class ClassicStatusAnswer(Struct, frozen=True):
    """QUEUED, RUNNING, COMPLETED or FAILED."""

    task_id: str
    status: State


class ClassicResultAnswer(Struct, frozen=True):
    """`result` is MIME base64; one `dill.loads` gives the value, the exception, or "NA" before the end."""

    task_id: str
    status: State
    result: str


class WelcomeAnswer(Struct, frozen=True):
    """What answers here."""

    message: str
    version: str
    documentation: str
    openapi: str
