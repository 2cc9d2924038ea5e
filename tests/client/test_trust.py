"""`trust="json"`: whatever the platform sends, nothing of it is unpickled."""

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mpcsfaas.client import Client
from mpcsfaas.client.errors import InvalidResult, RemoteError, ResultUnreadable
from mpcsfaas.client.outcome import outcome_of
from mpcsfaas.client.payloads import Payloads
from mpcsfaas.client.records import RemoteFailure, ResultItem
from mpcsfaas.errors import SerializationError
from mpcsfaas.model import FailureKind, State
from mpcsfaas.testing.platform import PlatformProcess


class Trap:
    """Leaves a mark, with the process's id, wherever it is unpickled."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, ...]:
        return eval, (f"open({self.folder!r} + '/' + str(__import__('os').getpid()), 'w').close()",)


def sprung(folder: Path) -> bool:
    return (folder / str(os.getpid())).exists()


@pytest.fixture
def careful(platform: PlatformProcess) -> Iterator[Client]:
    with Client(platform.url, trust="json") as client:
        yield client


def test_a_pickled_value_is_not_read(client: Client, careful: Client, tmp_path: Path) -> None:
    handle = client.submit(Trap, str(tmp_path))
    with pytest.raises(ResultUnreadable, match=r"written by 'cloudpickle'.*trust='json'.*Submit"):
        careful.result(handle.id, 30)
    assert not sprung(tmp_path)
    handle.result(30)
    assert sprung(tmp_path)


@pytest.mark.parametrize("data_only", [True, False])
@pytest.mark.parametrize("serializer", ["cloudpickle", "dill"])
@pytest.mark.parametrize("state", [State.COMPLETED, State.FAILED])
def test_no_pickle_of_any_outcome_is_read(state: State, serializer: str, data_only: bool, tmp_path: Path) -> None:
    payloads = Payloads("json", data_only=data_only)
    failure = RemoteFailure(FailureKind.EXCEPTION, "no", "ValueError") if state is State.FAILED else None
    outcome = outcome_of(ResultItem("task", state, serializer, pickle.dumps(Trap(str(tmp_path))), failure), payloads)
    assert sprung(tmp_path) is not data_only
    assert isinstance(outcome.error, ResultUnreadable | RemoteError) is (data_only or state is State.FAILED)


def test_payloads_themselves_refuse_what_is_not_data() -> None:
    with pytest.raises(SerializationError, match="may run code"):
        Payloads("json", data_only=True).loads("dill", pickle.dumps(1))


def test_exceptions_come_as_text(careful: Client) -> None:
    with pytest.raises(RemoteError, match="ValueError: invalid literal") as failed:
        careful.run(int, "five")
    assert (failed.value.task_id, type(failed.value.__cause__).__name__) != ("", "ValueError")


def test_a_value_that_is_no_plain_data_is_told_with_what_to_do(careful: Client) -> None:
    with pytest.raises(InvalidResult, match=r"of type .*object.*Return plain data.*trust='json'"):
        careful.run(object)


@pytest.mark.parametrize(
    ("trust", "serializer", "words"), [("json", "cloudpickle", "json or msgpack"), ("yaml", None, "neither")]
)
def test_what_is_not_trusted_is_refused(trust: Any, serializer: str | None, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Client("http://127.0.0.1:1", trust=trust, serializer=serializer)


def test_it_is_kept_by_variants_and_copies(careful: Client) -> None:
    for client in (careful.with_options(priority=1), pickle.loads(pickle.dumps(careful))):
        assert client.session.registry.payloads.data_only
        assert client.session.registry.payloads.name == "json"


def test_bytes_travel_by_msgpack(platform: PlatformProcess) -> None:
    with Client(platform.url, trust="json", serializer="msgpack") as client:
        assert client.run(bytes, 3) == bytes(3)


EVERYTHING = """
import asyncio, sys
from mpcsfaas import AsyncClient, Client, Executor
from mpcsfaas.client.errors import RemoteError

found = []
sys.addaudithook(lambda event, arguments: found.append(arguments) if event == "pickle.find_class" else None)

def fail(text):
    class Own(Exception):
        pass
    raise Own(text)

def failed(call):
    try:
        call()
    except RemoteError as error:
        return "Own: why" in str(error)

async def awaited(url):
    async with AsyncClient(url, trust=trust) as client:
        return [await client.run(pow, 2, 3), [value async for value in client.map(abs, [-1])]]

url, trust = sys.argv[1:]
with Client(url, trust=trust) as client, Executor(client) as executor:
    assert client.run(divmod, 7, 2) == ([3, 1] if trust == "json" else (3, 1))
    assert list(client.map(abs, [-1, -2], progress=False)) == [1, 2]
    assert list(executor.map(pow, [2, 3], [2, 2], chunksize=2)) == [4, 9]
    assert executor.submit(sorted, [2, 1]).result(30) == [1, 2]
    if trust == "json":
        assert failed(lambda: client.run(fail, "why"))
        assert failed(executor.submit(fail, "why").result)
        assert failed(lambda: list(client.map(fail, ["why"], progress=False)))
    else:
        list(client.map(fail, ["why"], progress=False, errors="return"))
    assert asyncio.run(awaited(url)) == [8, [1]]
    client.stats(), client.workers(), list(client.tasks())
print(len(found) > 0)
"""


@pytest.mark.parametrize(("trust", "unpickled"), [("json", "False"), ("pickle", "True")])
def test_no_client_names_a_class_to_an_unpickler_whatever_it_does(
    platform: PlatformProcess, trust: str, unpickled: str
) -> None:
    command = [sys.executable, "-c", EVERYTHING, platform.url, trust]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.strip(), done.stderr) == (unpickled, "")
