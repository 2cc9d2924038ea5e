"""`Client` against a real platform."""

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mpcsfaas.client import AsyncClient, Client, RemoteFunction, TaskHandle, errors
from mpcsfaas.model import State
from mpcsfaas.testing.platform import wait_until

WriteModule = Callable[[str, str], ModuleType]
LONG = 3600


def add(one: int, other: int = 0) -> int:
    """Add."""
    return one + other


def fail(text: str) -> None:
    raise KeyError(text)


class BrokenInitError(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__("the message")


def fail_oddly() -> None:
    raise BrokenInitError(1, 2)


def test_run(client: Client) -> None:
    assert client.run(add, 1, other=2) == 3


def test_submit(client: Client) -> None:
    handle = client.submit(add, 1, 2)
    assert isinstance(handle, TaskHandle)
    assert handle.result(30) == 3
    assert handle.status() is State.COMPLETED
    assert handle.done()
    assert client.result(handle.id) == 3
    assert client.task(handle).attempt == 1


def test_a_function_by_its_id(client: Client) -> None:
    identity = client.register(add)
    assert client.register(add) == identity
    assert client.run(identity, 4, 5) == 9
    assert identity in {function.id for function in client.functions()}
    with Client(client.url) as other:
        assert other.run(identity, 4, 5) == 9


@pytest.mark.parametrize("serializer", ["cloudpickle", "dill", "msgpack", "json"])
def test_serializers(client: Client, serializer: str) -> None:
    with Client(client.url, serializer=serializer) as other:
        assert other.run(sorted, [3, 1, 2]) == [1, 2, 3]


def test_submit_many(client: Client) -> None:
    handles = client.submit_many(add, ((number, 1) for number in range(20)))
    assert [handle.result(30) for handle in handles] == list(range(1, 21))


def test_exceptions_are_raised_as_themselves(client: Client) -> None:
    with pytest.raises(KeyError, match="missing") as caught:
        client.run(fail, "missing")
    assert "in fail" in str(caught.value.__cause__)
    assert __file__ in str(caught.value.__cause__)


def test_an_exception_with_a_broken_init(client: Client) -> None:
    with pytest.raises(errors.RemoteError, match=r"BrokenInitError.*the message"):
        client.run(fail_oddly)


def test_a_crash(client: Client) -> None:
    with pytest.raises(errors.TaskCrashed, match="code 7"):
        client.with_options(max_redeliveries=0).run(os._exit, 7)


def test_a_timeout(client: Client) -> None:
    with pytest.raises(errors.TaskTimeout):
        client.with_options(timeout=0.2).run(time.sleep, LONG)


def test_a_result_that_cannot_be_sent(client: Client) -> None:
    def make_lock() -> object:
        import threading

        return threading.Lock()

    with pytest.raises(errors.InvalidResult, match="lock"):
        client.run(make_lock)


def test_cancelling_what_runs(client: Client) -> None:
    handle = client.submit(time.sleep, LONG)
    wait_until(lambda: handle.status() is State.RUNNING, what="running")
    with pytest.raises(TimeoutError):
        handle.result(timeout=0.05)
    assert handle.cancel() is State.CANCELLED
    with pytest.raises(errors.TaskCancelled):
        handle.result(30)


def fail_first(path: str) -> str:
    import os

    if not os.path.exists(path):
        open(path, "x").close()
        raise RuntimeError("the first time")
    return "done"


def test_a_failed_task_is_done_again(client: Client, tmp_path: Path) -> None:
    handle = client.submit(fail_first, str(tmp_path / "mark"))
    with pytest.raises(RuntimeError, match="the first time"):
        handle.result(30)
    again = client.retry(handle)
    assert again.result(30) == "done"
    assert client.task(again).retry_of == handle.id
    assert client.retry(handle.id).id == again.id
    with pytest.raises(RuntimeError, match="the first time"):
        handle.result(30)
    with pytest.raises(errors.RequestRefused, match="is COMPLETED; only a FAILED one"):
        client.retry(again)


def test_logs(client: Client) -> None:
    handle = client.submit(print, "hello from afar")
    handle.result(30)
    assert handle.logs().stdout == "hello from afar\n"


def test_listing(client: Client) -> None:
    handles = client.with_options(group="listed").submit_many(add, [(1,), (2,)])
    for handle in handles:
        handle.result(30)
    listed = list(client.tasks(group="listed", state=State.COMPLETED))
    assert {record.id for record in listed} == {handle.id for handle in handles}
    assert all(record.options.group == "listed" for record in listed)


def test_the_platform(client: Client) -> None:
    client.run(add, 1)
    assert client.stats().completed, "what has just completed is not counted"
    (dispatcher,) = client.workers()
    assert sum(worker.slots for worker in dispatcher.workers) == 2


@pytest.mark.parametrize("method", ["status", "result", "cancel", "logs", "task", "retry"])
def test_unknown_tasks(client: Client, method: str) -> None:
    with pytest.raises(errors.NotFound, match="01930000-0000-7000-8000-000000000000"):
        getattr(client, method)("01930000-0000-7000-8000-000000000000")


def test_an_unknown_function(client: Client) -> None:
    with pytest.raises(errors.NotFound):
        client.run("01930000-0000-7000-8000-000000000000")


def test_options_are_checked_here(client: Client) -> None:
    with pytest.raises(TypeError, match=r"max_retires.*max_retries"):
        client.with_options(max_retires=2)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="timeout"):
        client.with_options(timeout="soon")  # type: ignore[arg-type]


def test_an_idempotency_key_names_the_first_task(client: Client) -> None:
    keyed = client.with_options(idempotency_key="only-once")
    assert keyed.submit(add, 1).id == keyed.submit(add, 2).id


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://host", "http://"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="no URL of a gateway"):
        Client(url)


def test_the_environment_names_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPCSFAAS_URL", "http://elsewhere:1/")
    assert Client().url == "http://elsewhere:1"
    monkeypatch.setenv("MPCSFAAS_URL", "")
    assert Client().url == "http://127.0.0.1:8000"


def test_a_gateway_that_is_not_there() -> None:
    with Client("http://127.0.0.1:9", timeout=0.1) as client, pytest.raises(errors.GatewayUnavailable) as caught:
        client.stats()
    for part in ("http://127.0.0.1:9", "refused", "mpcsfaas up"):
        assert part in str(caught.value)


# @client.function


def test_a_decorated_function(client: Client) -> None:
    remote = client.function(add)
    assert isinstance(remote, RemoteFunction)
    assert (remote.__name__, remote.__doc__) == ("add", "Add.")
    assert remote(1, 2) == remote.local(1, 2) == remote.remote(1, 2).result(30) == 3


def test_a_decorated_function_has_options(client: Client) -> None:
    sleep = client.with_options(timeout=50, priority=3).function(timeout=0.2)(time.sleep)
    handle = sleep.remote(LONG)
    with pytest.raises(errors.TaskTimeout):
        handle.result(30)
    options = client.task(handle).options
    assert (options.timeout, options.priority) == (0.2, 3)
    assert client.task(sleep.with_options(priority=4).remote(0)).options.priority == 4


def test_decorated_functions_call_each_other(client: Client, write_module: WriteModule) -> None:
    """In the worker, a decorated function is the plain one again, and the client is still of use."""
    user: Any = write_module("user", "def outer(n):\n    return inner(n) + 1\n")
    user.inner = client.function(add)
    assert client.function(user.outer).remote(1).result(30) == 2

    user.client = client
    user.nested = lambda: user.client.url
    assert client.run(user.nested) == client.url


# Modules of one's own


def test_a_module_that_workers_do_not_have(client: Client, write_module: WriteModule) -> None:
    write_module("shapes", "import dataclasses\n@dataclasses.dataclass\nclass Square:\n    side: int\n")
    user = write_module(
        "user",
        """
        import shapes
        import threading
        lock = threading.Lock()
        def grow(square): return helper(square, 2)
        def helper(square, factor): return shapes.Square(square.side * factor)
        class TooBig(Exception): pass
        def refuse(square): raise TooBig(square)
        """,
    )
    shapes: Any = sys.modules["shapes"]
    grown = client.run(user.grow, shapes.Square(3))
    assert isinstance(grown, shapes.Square)
    assert grown == shapes.Square(6)
    with pytest.raises(user.TooBig) as caught:
        client.run(user.refuse, shapes.Square(3))
    assert caught.value.args == (shapes.Square(3),)


def test_a_script(client: Client, tmp_path: Any) -> None:
    """Functions of `__main__` and of a module beside it, from a process of its own."""
    (tmp_path / "beside.py").write_text("def triple(n):\n    return 3 * n\n")
    (tmp_path / "script.py").write_text(
        "import beside, sys\n"
        "from mpcsfaas import Client\n"
        "def work(n):\n    return beside.triple(n) + 1\n"
        "with Client(sys.argv[1]) as client:\n    print(client.run(work, 4))\n"
    )
    command = [sys.executable, "script.py", client.url]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("13\n", "")


# Processes


def test_a_key_does_not_travel_with_its_client(client: Client) -> None:
    """Into a task, that is, which is stored."""
    for kind in (Client, AsyncClient):
        travelling = pickle.dumps(kind(client.url, key="mpcs_0_not-for-others"))
        assert b"not-for-others" not in travelling
        assert pickle.loads(travelling).url == client.url


def test_a_client_can_be_pickled(client: Client) -> None:
    copy = pickle.loads(pickle.dumps(client.with_options(priority=2)))
    handle = copy.submit(add, 1)
    assert client.task(handle.id).options.priority == 2
    copy.close()


def test_a_forked_process_has_connections_of_its_own(client: Client) -> None:
    client.run(add, 1)
    pid = os.fork()
    if pid == 0:
        os._exit(0 if client.run(add, 1, 2) == 3 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert client.run(add, 1, 2) == 3
