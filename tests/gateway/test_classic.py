"""The original contract, row by row, with a client that has only `requests` and `dill`."""

import codecs
import subprocess
import sys
import uuid
from typing import Any

import dill
import pytest
import requests

from mpcsfaas.model import Failure, FailureKind
from mpcsfaas.testing.gateway import GatewayThread, HandDispatcher


def serialize(value: Any) -> str:
    return codecs.encode(dill.dumps(value), "base64").decode()


def deserialize(text: str) -> Any:
    return dill.loads(codecs.decode(text.encode(), "base64"))


class Client:
    def __init__(self, url: str) -> None:
        self.url = url

    def post(self, path: str, **body: Any) -> requests.Response:
        return requests.post(f"{self.url}/{path}", json=body, timeout=30)

    def get(self, path: str) -> requests.Response:
        return requests.get(f"{self.url}/{path}", timeout=30)

    def register(self) -> str:
        return str(self.post("register_function", name="f", payload=serialize(lambda x: x)).json()["function_id"])

    def execute(self) -> str:
        answer = self.post("execute_function", function_id=self.register(), payload=serialize(((1,), {"b": 2})))
        assert answer.status_code == 200
        return str(answer.json()["task_id"])


@pytest.fixture
def client(gateway: GatewayThread) -> Client:
    return Client(gateway.url)


def test_registering_answers_just_a_uuid(client: Client) -> None:
    answer = client.post("register_function", name="f", payload=serialize(lambda: 1))
    assert answer.status_code == 200
    assert answer.json().keys() == {"function_id"}
    assert uuid.UUID(answer.json()["function_id"])


def test_registering_the_same_again_gives_the_same_id(client: Client) -> None:
    assert client.register() == client.register()


def test_executing_hands_the_payload_on_as_it_is(client: Client, dispatcher: HandDispatcher) -> None:
    task_id = client.execute()
    (attempt,) = dispatcher.claim()
    assert attempt.task.id == task_id
    assert attempt.task.serializer == "dill"
    assert dill.loads(attempt.task.payload) == ((1,), {"b": 2})


def test_base64_is_taken_with_and_without_newlines(client: Client) -> None:
    payload = serialize(list(range(200)))
    assert payload.count("\n") > 2
    for text in (payload, payload.replace("\n", ""), payload.replace("\n", "\r\n")):
        assert client.post("register_function", name="f", payload=text).status_code == 200


@pytest.mark.parametrize(
    "payload", ["payload", "", "   ", "!!!", "aGVsbG8=", "gAJL\u00e9", "gAJLAy4", serialize(print)[:-9]]
)
def test_a_payload_that_is_no_serialised_object_is_refused(client: Client, payload: str) -> None:
    for path, field in (("register_function", {"name": "f"}), ("execute_function", {"function_id": client.register()})):
        answer = client.post(path, **field, payload=payload)
        assert answer.status_code == 400
        assert answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("register_function", {"name": "f"}),
        ("register_function", {"payload": "gAJLAy4="}),
        ("register_function", {"name": 1, "payload": "gAJLAy4="}),
        ("register_function", {"name": "f", "payload": 1}),
        ("execute_function", {"payload": "gAJLAy4="}),
        ("execute_function", {"function_id": str(uuid.uuid4())}),
        ("execute_function", {"function_id": "no-uuid", "payload": "gAJLAy4="}),
    ],
)
def test_a_missing_or_mistyped_field_is_a_422(client: Client, path: str, body: dict[str, Any]) -> None:
    answer = client.post(path, **body)
    assert answer.status_code == 422
    assert answer.json()["detail"]


def test_unknown_fields_are_ignored_as_they_always_were(client: Client) -> None:
    assert client.post("register_function", name="f", payload=serialize(1), more="x").status_code == 200


def test_an_unknown_function_is_a_404(client: Client) -> None:
    unknown = str(uuid.uuid4())
    answer = client.post("execute_function", function_id=unknown, payload=serialize(((), {})))
    assert answer.status_code == 404
    assert answer.json()["detail"] == f"Function with {unknown} not found"


@pytest.mark.parametrize("path", ["status", "result"])
def test_an_unknown_task_is_a_404_and_no_uuid_a_422(client: Client, path: str) -> None:
    unknown = str(uuid.uuid4())
    answer = client.get(f"{path}/{unknown}")
    assert answer.status_code == 404
    assert answer.json()["detail"] == f"Task with {unknown} not found"
    assert client.get(f"{path}/no-uuid").status_code == 422


def test_before_the_end_the_result_is_na(client: Client, dispatcher: HandDispatcher) -> None:
    task_id = client.execute()
    for state in ("QUEUED", "RUNNING"):
        assert client.get(f"status/{task_id}").json() == {"task_id": task_id, "status": state}
        answer = client.get(f"result/{task_id}").json()
        assert (answer["task_id"], answer["status"], deserialize(answer["result"])) == (task_id, state, "NA")
        dispatcher.claim()


def test_a_result_comes_back_as_mime_base64(client: Client, dispatcher: HandDispatcher) -> None:
    value = {"numbers": list(range(100))}
    task_id = client.execute()
    dispatcher.complete(dispatcher.claim(), dill.dumps(value))
    answer = client.get(f"result/{task_id}").json()
    assert answer["status"] == "COMPLETED"
    assert answer["result"] == serialize(value)
    assert deserialize(answer["result"]) == value


def test_an_exception_comes_back_as_the_object(client: Client, dispatcher: HandDispatcher) -> None:
    task_id = client.execute()
    failure = Failure(FailureKind.EXCEPTION, "no", "builtins.KeyError")
    dispatcher.fail(dispatcher.claim(), failure, dill.dumps(KeyError("no")))
    answer = client.get(f"result/{task_id}").json()
    assert answer["status"] == "FAILED"
    assert isinstance(deserialize(answer["result"]), KeyError)


@pytest.mark.parametrize(
    ("kind", "beginning"),
    [
        (FailureKind.WORKER_LOST, "WorkerFailure: why"),
        (FailureKind.CRASHED, "WorkerFailure: why"),
        (FailureKind.INVALID_RESULT, "WorkerFailure: why"),
        (FailureKind.RESULT_TOO_LARGE, "WorkerFailure: why"),
        (FailureKind.TIMEOUT, "TaskTimeout: why"),
        (FailureKind.INVALID_PAYLOAD, "InvalidPayload: why"),
        (FailureKind.INCOMPATIBLE, "Incompatible: why"),
        (FailureKind.EXCEPTION, "own.Error: why\n\nTraceback: here"),
    ],
)
def test_what_the_function_did_not_raise_is_a_runtime_error(
    client: Client, dispatcher: HandDispatcher, kind: FailureKind, beginning: str
) -> None:
    task_id = client.execute()
    is_own = kind is FailureKind.EXCEPTION
    failure = Failure(kind, "why", "own.Error" if is_own else "", "Traceback: here" if is_own else "")
    dispatcher.fail(dispatcher.claim(), failure)
    assert without_this_platform(client.get(f"result/{task_id}").json()["result"]) == f"RuntimeError: {beginning}"


def test_a_cancelled_task_reads_failed(client: Client) -> None:
    task_id = client.execute()
    assert requests.delete(f"{client.url}/v1/tasks/{task_id}", timeout=30).json()["state"] == "CANCELLED"
    assert client.get(f"status/{task_id}").json()["status"] == "FAILED"
    answer = client.get(f"result/{task_id}").json()
    assert answer["status"] == "FAILED"
    assert without_this_platform(answer["result"]).startswith("RuntimeError: TaskCancelled:")


def test_the_result_of_a_plain_json_task_says_where_it_is(client: Client, dispatcher: HandDispatcher) -> None:
    task = {"function_id": client.register(), "args": [1]}
    task_id = requests.post(f"{client.url}/v1/tasks", json=task, timeout=30).json()["id"]
    dispatcher.complete(dispatcher.claim(), b"1")
    error = deserialize(client.get(f"result/{task_id}").json()["result"])
    assert str(error).startswith("Incompatible:")
    assert f"/v1/tasks/{task_id}/result" in str(error)


def test_the_root_says_who_it_is_and_shows_browsers_a_page(client: Client) -> None:
    answer = client.get("")
    assert answer.status_code == 200
    assert "MPCSFaaS" in answer.json()["message"]
    page = requests.get(client.url, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}, timeout=30)
    assert page.headers["Content-Type"].startswith("text/html")
    assert 'href="/docs"' in page.text


@pytest.mark.parametrize("path", ["register_function", "execute_function"])
def test_only_json_is_spoken_here(client: Client, path: str) -> None:
    headers = {"Content-Type": "application/x-msgpack"}
    answer = requests.post(f"{client.url}/{path}", data=b"\x80", headers=headers, timeout=30)
    assert answer.status_code == 415


def without_this_platform(text: str) -> str:
    """What an interpreter makes of a result with the standard library and dill alone."""
    program = (
        "import sys, codecs, dill\n"
        "sys.modules['mpcsfaas'] = None\n"
        "error = dill.loads(codecs.decode(sys.stdin.buffer.read(), 'base64'))\n"
        "print(f'{type(error).__name__}: {error}', end='')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], input=text.encode(), capture_output=True, check=True)
    return done.stdout.decode()
