"""What the SDK raises when the platform, not the function, is why there is no value.

An exception that a function raised is raised as itself; these are for everything else.
"""

from concurrent.futures import CancelledError

from mpcsfaas import errors


class GatewayError(errors.MpcsfaasError):
    """The gateway did not do what was asked."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status, if there was an answer."""


class GatewayUnavailable(GatewayError):
    """The gateway cannot be reached, or refuses work just now (429, 503). Trying again later may help."""


class RequestRefused(GatewayError):
    """The gateway understood the request and will not do it; trying again will not help."""


class AccessDenied(RequestRefused):
    """The gateway does not let this client in (401), or not do this (403); the message says why, and what to do."""


class NotFound(RequestRefused):
    """The gateway knows no such function or task."""


class ResultExpired(RequestRefused):
    """The task ended so long ago that its result was dropped (option `ttl`)."""


class PayloadTooLarge(RequestRefused):
    """The serialised function or arguments are over the gateway's limit."""


class ResultUnreadable(errors.MpcsfaasError):
    """The task completed, but its value cannot be deserialised here. `__cause__` says why."""


class TaskFailed(errors.MpcsfaasError):
    """The task ended without a value. `remote_traceback` is text of the worker, empty if there is none."""

    def __init__(self, message: str, task_id: str = "", remote_traceback: str = "") -> None:
        super().__init__(message)
        self.task_id = task_id
        self.remote_traceback = remote_traceback


class RemoteError(TaskFailed):
    """The function raised an exception that cannot be rebuilt here; the message tells its type and text."""


class TaskTimeout(TaskFailed):
    """The attempt outlived its `timeout`, or the task its `deadline`."""


class WorkerLost(TaskFailed):
    """The workers that ran the task went away, as often as `max_redeliveries` allows."""


class TaskCrashed(TaskFailed):
    """The process that ran the function died: a signal, an exit, or out of memory."""


class InvalidPayload(TaskFailed, errors.InvalidPayload):
    """The worker could not deserialise the function or its arguments."""


class InvalidResult(TaskFailed):
    """The function returned something that cannot be serialised."""


class ResultTooLarge(TaskFailed):
    """The serialised result is over the worker's limit."""


class Incompatible(TaskFailed):
    """The worker's Python or serializer cannot load what this client wrote."""


class ParentFailed(TaskFailed):
    """A task whose result this one needed did not complete, so this one never ran."""


class TaskCancelled(TaskFailed, CancelledError):
    """Somebody cancelled the task."""
