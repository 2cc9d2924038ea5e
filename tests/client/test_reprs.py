"""What the public names show of themselves: enough to know what they are, and never a secret."""

from concurrent.futures import CancelledError

import pytest

from mpcsfaas.client import AsyncClient, Client, Executor, TaskHandle
from mpcsfaas.model import State
from mpcsfaas.testing.fake_gateway import FakeGateway

KEY = "mpcs_secret"
URL = "http://127.0.0.1:9"


def double(number: int, times: int = 2) -> int:
    return number * times


def test_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPCSFAAS_API_KEY", KEY)
    with Client(URL) as client:
        assert repr(client) == f"Client('{URL}')"
        assert repr(client.with_options(timeout=5, labels=["gpu"])) == f"Client('{URL}', timeout=5, labels=['gpu'])"
        shown = [client, client.connection, client.session, client.function(double), Executor(client)]
        assert not any(KEY in repr(each) for each in shown)
    assert repr(AsyncClient(URL, key=KEY)) == f"AsyncClient('{URL}')"


def test_a_password_in_the_url_is_refused_without_telling_it() -> None:
    with pytest.raises(ValueError, match="Pass `key`") as caught:
        Client("http://me:hunter2@127.0.0.1:9")
    assert "hunter2" not in str(caught.value)


def test_functions() -> None:
    with Client(URL) as client:
        plain = client.function(double)
        assert repr(plain) == "<RemoteFunction double(number: int, times: int = 2) -> int>"
        assert repr(plain.with_options(timeout=5, priority=1)) == f"{repr(plain)[:-1]}, timeout=5, priority=1>"
        assert repr(client.function(print)).startswith("<RemoteFunction print(")
        assert repr(client.function(dict.fromkeys)).startswith("<RemoteFunction dict.fromkeys(")
    assert repr(AsyncClient(URL).function(double)).startswith("<AsyncRemoteFunction double(number")


def test_handles(gateway: FakeGateway, fake_client: Client) -> None:
    gateway.held = True
    handle, failing = fake_client.submit(double, 2), fake_client.submit(divmod, 1, 0)
    by_id = TaskHandle[int](fake_client, handle.id)
    assert repr(handle) == f"<TaskHandle double {handle.id}>"
    assert repr(by_id) == f"<TaskHandle {by_id.id}>"
    assert repr(handle.heard(State.RUNNING) and handle) == f"<TaskHandle double {handle.id} RUNNING>"
    gateway.release()
    fake_client.gather([handle, failing], errors="return")
    assert repr(handle) == f"<TaskHandle double {handle.id} returned int>"
    assert repr(failing) == f"<TaskHandle divmod {failing.id} raised ZeroDivisionError>"


def test_futures(gateway: FakeGateway, fake_client: Client) -> None:
    gateway.held = True
    with Executor(fake_client, group="nightly") as executor:
        assert repr(executor) == f"<Executor {gateway.url} group='nightly'>"
        varied = executor.with_options(priority=2)
        assert repr(varied) == f"<Executor {gateway.url} group='nightly', priority=2>"
        future, cancelled = executor.submit(double, 2), executor.submit(double, 3)
        assert repr(future) == f"<TaskFuture double {future.task_id} pending>"
        assert cancelled.cancel()
        assert repr(cancelled) == f"<TaskFuture double {cancelled.task_id} cancelled>"
        gateway.release()
        assert future.result(30) == 4
        assert repr(future) == f"<TaskFuture double {future.task_id} finished returned int>"
        with pytest.raises(CancelledError):
            cancelled.result()
    assert repr(executor).endswith(", closed>")
