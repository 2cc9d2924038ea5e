"""How tasks fail: each in its own kind, with words that say why, and after as many attempts as it may have."""

import codecs
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import requests

from mpcsfaas.client import Client, errors
from mpcsfaas.model import FailureKind, TaskRecord
from mpcsfaas.testing.deployment import Deployment
from mpcsfaas.testing.ledger import Ledger
from mpcsfaas.testing.platform import wait_until_gone

MEGABYTE = 10**6


class NoWay(Exception):
    """Only this module has it."""


def raise_it() -> None:
    raise NoWay("out")


def leave() -> None:
    import os

    os._exit(7)


def kill_itself() -> None:
    import os
    import signal

    os.kill(os.getpid(), signal.SIGKILL)


def make_generator() -> object:
    return (number for number in range(3))


def make_much() -> bytes:
    return bytes(13 * MEGABYTE)


def sleep_long() -> None:
    import time

    time.sleep(3600)


def failed(client: Client, function: Callable[..., Any] | str, kind: FailureKind, **options: Any) -> TaskRecord:
    """Run it, see it fail, and give its record."""
    once = {"max_redeliveries": 0} | options
    task = client.with_options(**once).submit(function)
    with pytest.raises((errors.TaskFailed, NoWay)):
        task.result(60)
    record = client.task(task)
    assert record.failure is not None
    assert record.failure.kind is kind
    return record


@pytest.mark.parametrize(
    ("function", "kind", "words"),
    [
        (raise_it, FailureKind.EXCEPTION, "out"),
        (leave, FailureKind.CRASHED, "7"),
        (kill_itself, FailureKind.CRASHED, "SIGKILL"),
        (make_generator, FailureKind.INVALID_RESULT, "generator"),
        (make_much, FailureKind.RESULT_TOO_LARGE, "12000000"),
    ],
)
def test_each_failure_has_its_kind(
    client: Client, function: Callable[[], object], kind: FailureKind, words: str
) -> None:
    record = failed(client, function, kind)
    assert record.failure is not None
    assert words in record.failure.message
    assert [attempt.failure for attempt in record.history] == [record.failure]
    assert client.run(abs, -1) == 1, "the worker goes on"


def test_an_exception_is_recorded_with_type_and_traceback(client: Client) -> None:
    failure = failed(client, raise_it, FailureKind.EXCEPTION).failure
    assert failure is not None
    assert failure.type.endswith("NoWay")
    assert "in raise_it" in failure.traceback


def test_arguments_that_do_not_load_fail_the_task(client: Client, platform: Deployment) -> None:
    body = {
        "function_id": client.register(raise_it),
        "payload": codecs.encode(b"cno_such_module\nThing\n.", "base64").decode().strip(),
        "serializer": "dill",
    }
    result = requests.post(f"{platform.url}/v1/tasks?wait=30", json=body, timeout=60).json()
    assert (result["state"], result["failure"]["kind"]) == ("FAILED", FailureKind.INVALID_PAYLOAD)
    assert "no_such_module" in result["failure"]["message"]


def test_retries_are_made_and_end(client: Client, ledger: Ledger) -> None:
    enter = ledger.task()

    def fail() -> None:
        enter("once more", 0)
        raise NoWay

    record = failed(client, fail, FailureKind.EXCEPTION, max_retries=2, retry_delay=0.05)
    assert (record.attempt, record.failures, record.losses) == (3, 2, 0)
    assert [attempt.number for attempt in record.history] == [1, 2, 3]
    assert ledger.names() == ["once more"] * 3


def test_a_retry_may_succeed(client: Client, ledger: Ledger) -> None:
    path = str(ledger.path)

    def fail_first() -> str:
        from pathlib import Path

        if Path(path).exists():
            return "the second time"
        Path(path).touch()
        raise NoWay

    task = client.with_options(max_retries=5, retry_delay=0.05).submit(fail_first)
    assert task.result(60) == "the second time"
    assert client.task(task).attempt == 2


def test_a_crash_is_delivered_again_within_its_budget(client: Client) -> None:
    record = failed(client, leave, FailureKind.CRASHED, max_redeliveries=1)
    assert (record.attempt, record.failures, record.losses) == (2, 0, 1)


def test_an_attempt_that_outlives_its_timeout_is_killed_and_tried_again(client: Client, ledger: Ledger) -> None:
    enter = ledger.task()

    def enter_and_sleep() -> None:
        enter("name", 3600)

    record = failed(client, enter_and_sleep, FailureKind.TIMEOUT, timeout=0.2, max_retries=1, retry_delay=0.05)
    assert (record.attempt, record.failures) == (2, 1)
    wait_until_gone(ledger.pids("name"), what="the children")


def test_a_deadline_ends_what_runs_and_what_waits(client: Client) -> None:
    failed(client, sleep_long, FailureKind.TIMEOUT, deadline=0.4, max_retries=5)
    record = failed(client, abs, FailureKind.TIMEOUT, deadline=0.4, labels=[uuid.uuid4().hex])
    assert [attempt.started_at for attempt in record.history] == [0.0], "nobody could run it"
