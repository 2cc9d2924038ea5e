"""A storage that need not be trusted: what gateways and dispatchers put into it bears their seal, or is not believed.

A seal is a keyed hash (BLAKE2b, RFC 7693) in front of a task's arguments or of a result, made with a key that gateways
and dispatchers have and the storage has not. It covers what the bytes belong to: the arguments are those of this task
for this function after these parents, the result is how this task ended. Functions need none, as their ids are made of
their content.

Who writes into the storage without the key can still destroy, delay and repeat: it can delete, queue a sealed task
again, or change its options. It can neither choose code or arguments that run, nor a result that is read.
"""

import hmac
import os
import secrets
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol, cast

import msgspec
from msgspec.structs import replace

from mpcsfaas.errors import SettingsError
from mpcsfaas.interfaces import Storage
from mpcsfaas.interfaces.storage import Enqueued
from mpcsfaas.model import (
    Attempt,
    AttemptKey,
    AttemptRecord,
    Failure,
    FailureKind,
    Function,
    State,
    Task,
    TaskOptions,
    TaskResult,
    Transition,
    is_genuine,
)

KEY_SIZE = 32
SEAL_SIZE = 32
OTHERS = 0o077
"""The bits of a mode that give others anything."""

FORGED_TASK = Failure(
    FailureKind.INVALID_PAYLOAD,
    "The task in the storage does not bear the seal of this platform's key, so it was not run: it was changed there, "
    "or its gateway has another seal_key, or none. Compare the seal_key of all gateways and dispatchers, and see who "
    "can write in the storage.",
)
FORGED_RESULT = Failure(
    FailureKind.INVALID_RESULT,
    "The result in the storage does not bear the seal of this platform's key, so it is not given out: it was changed "
    "there, or its dispatcher has another seal_key, or none. Compare the seal_key of all gateways and dispatchers, and "
    "see who can write in the storage.",
)

_encode = msgspec.msgpack.encode


class Forged(Exception):
    """Bytes that do not bear the seal of this key for what they are said to be."""


class Seal:
    """Puts a seal in front of bytes, and takes it off again. Pure."""

    def __init__(self, key: bytes) -> None:
        """`key` has `KEY_SIZE` bytes."""
        self._key = key

    def put(self, purpose: bytes, owner: tuple[object, ...], value: bytes) -> bytes:
        """The bytes with a seal that says what they are for and whose they are."""
        return self._of(purpose, owner, value) + value

    def take(self, purpose: bytes, owner: tuple[object, ...], sealed: bytes) -> bytes:
        """The bytes without their seal. Raises `Forged`."""
        value = sealed[SEAL_SIZE:]
        if not hmac.compare_digest(sealed[:SEAL_SIZE], self._of(purpose, owner, value)):
            raise Forged
        return value

    def _of(self, purpose: bytes, owner: tuple[object, ...], value: bytes) -> bytes:
        digest = blake2b(_encode(owner), digest_size=SEAL_SIZE, key=self._key, person=purpose)
        digest.update(value)
        return digest.digest()


class _Sealed:
    """A storage as its gateways and dispatchers see it: what has no seal to be checked goes through as it is."""

    def __init__(self, storage: Storage, seal: Seal) -> None:
        self._storage = storage
        self._seal = seal

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    async def get_function(self, function_id: str, include_deleted: bool = False) -> Function | None:
        """See `Storage`; one whose content is not that of its id is not there."""
        function = await self._storage.get_function(function_id, include_deleted)
        return function if function and function.id == function_id and is_genuine(function) else None

    async def enqueue(self, tasks: Sequence[Task]) -> list[Enqueued]:
        """See `Storage`."""
        return await self._storage.enqueue(
            [replace(task, payload=self._seal.put(b"task", _owner(task), task.payload)) for task in tasks]
        )

    async def finish(self, transitions: Sequence[Transition]) -> list[bool]:
        """See `Storage`."""
        return await self._storage.finish([self._sealed(transition) for transition in transitions])

    def _sealed(self, transition: Transition) -> Transition:
        if not transition.to.is_terminal:
            return transition
        owner = (transition.key.task_id, transition.to, transition.failure)
        return replace(transition, value=self._seal.put(b"result", owner, transition.value))

    async def get_results(self, task_ids: Sequence[str]) -> list[TaskResult | None]:
        """See `Storage`; a forged result reads as a failure that says so."""
        return [result and self._opened(result) for result in await self._storage.get_results(task_ids)]

    def _opened(self, result: TaskResult) -> TaskResult:
        if result.expired or result.state not in (State.COMPLETED, State.FAILED):
            return result
        try:
            owner = (result.task_id, result.state, result.failure)
            return replace(result, value=self._seal.take(b"result", owner, result.value))
        except Forged:
            return replace(result, state=State.FAILED, value=b"", failure=FORGED_RESULT)

    async def get_payloads(self, task_ids: Sequence[str]) -> list[bytes | None]:
        """See `Storage`; what is forged is gone."""
        records = await self._storage.get_tasks(task_ids)
        payloads = await self._storage.get_payloads(task_ids)
        return [
            self._payload(record, payload) if record and payload is not None else None
            for record, payload in zip(records, payloads, strict=True)
        ]

    def _payload(self, task: "_Named", payload: bytes) -> bytes | None:
        try:
            return self._seal.take(b"task", _owner(task), payload)
        except Forged:
            return None

    async def claim(self, dispatcher_id: str, *arguments: Any, **options: Any) -> list[Attempt]:
        """See `Storage`; a forged task ends here, FAILED. So it does in those below."""
        return await self._genuine(await self._storage.claim(dispatcher_id, *arguments, **options))

    async def claim_lapsed(self, dispatcher_id: str, limit: int, lease: float) -> list[Attempt]:
        """See `Storage`."""
        return await self._genuine(await self._storage.claim_lapsed(dispatcher_id, limit, lease))

    async def claim_overdue(self, dispatcher_id: str, *arguments: Any, **options: Any) -> list[Attempt]:
        """See `Storage`."""
        return await self._genuine(await self._storage.claim_overdue(dispatcher_id, *arguments, **options))

    async def adopt(self, dispatcher_id: str, keys: Sequence[AttemptKey], lease: float) -> list[Attempt]:
        """See `Storage`."""
        return await self._genuine(await self._storage.adopt(dispatcher_id, keys, lease))

    async def _genuine(self, attempts: Sequence[Attempt]) -> list[Attempt]:
        genuine, forged = [], []
        for attempt in attempts:
            payload = self._payload(attempt.task, attempt.task.payload)
            if payload is None:
                forged.append(attempt)
            else:
                genuine.append(replace(attempt, task=replace(attempt.task, payload=payload)))
        if forged:
            await self.finish([_refused(attempt) for attempt in forged])
        return genuine


class _Named(Protocol):
    """What a task's seal is about."""

    @property
    def id(self) -> str: ...
    @property
    def function_id(self) -> str: ...
    @property
    def serializer(self) -> str: ...
    @property
    def options(self) -> TaskOptions: ...


def _owner(task: _Named) -> tuple[object, ...]:
    """Its parents too, since their results become part of the arguments."""
    named = task.id, task.function_id, task.serializer
    return (*named, task.options.after) if task.options.after else named


def _refused(attempt: Attempt) -> Transition:
    record = AttemptRecord(attempt.number, claimed_at=attempt.claimed_at, failure=FORGED_TASK)
    return Transition(attempt.key, State.FAILED, record, failure=FORGED_TASK)


def sealed(storage: Storage, key_file: Path | None) -> Storage:
    """The storage behind the seal of the key in a file; as it is without one. Raises `SettingsError`."""
    return storage if key_file is None else cast(Storage, _Sealed(storage, Seal(read_key(key_file))))


def write_key(path: Path) -> None:
    """Write a new key to a file that was not there, for its owner alone. Raises `SettingsError`."""
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(KEY_SIZE) + "\n")
    except FileExistsError as error:
        raise SettingsError(f"{path} is there already. Remove it first if nothing is sealed with it.") from error
    except OSError as error:
        raise SettingsError(f"The key cannot be written to {path}: {error.strerror}.") from error


def read_key(path: Path) -> bytes:
    """The key in a file. Raises `SettingsError` if there is none, or others can read it."""
    try:
        with path.open() as file:
            mode = os.fstat(file.fileno()).st_mode
            key = bytes.fromhex(file.read().strip())
    except OSError as error:
        raise SettingsError(f"The seal_key {path} cannot be read: {error.strerror}.") from error
    except ValueError:
        key = b""
    if len(key) != KEY_SIZE:
        raise SettingsError(f"{path} is no seal_key. Make one: mpcsfaas seal-key {path}")
    if mode & OTHERS:
        raise SettingsError(f"The seal_key {path} is open to other users. Close it (chmod 600 {path}), or make it new.")
    return key
