"""Sizes at a limit, one byte below, and one above, through every part: equal bytes come back, or it is said why not."""

import base64
import codecs
from collections.abc import Callable, Iterator
from typing import Any

import dill
import msgspec
import pytest
import requests

from mpcsfaas.testing.deployment import Deployment
from mpcsfaas.testing.platform import wait_until

MAX_PAYLOAD, MAX_BODY, MAX_RESULT, MAX_OUTPUT = 60_000, 200_000, 50_000, 1_000
AROUND = (-1, 0, 1)
MEDIA_TYPES = {"json": "application/json", "msgpack": "application/x-msgpack"}


def pickled(size: int, make: Callable[[str], Any]) -> bytes:
    """A pickle of exactly `size` bytes, of what `make` makes of some text."""
    filling = "x" * 1000
    while (missing := size - len(data := bytes(dill.dumps(make(filling), recurse=True)))) > 0:
        filling += "x" * missing
    assert not missing, f"there is no such pickle of {size} bytes"
    return data


class Api:
    """A gateway, in JSON or in msgpack."""

    def __init__(self, url: str, form: str) -> None:
        self._url = url
        self._is_text = form == "json"
        self._encode: Callable[[Any], bytes] = msgspec.json.encode if self._is_text else msgspec.msgpack.encode
        self._decode: Callable[[bytes], Any] = msgspec.json.decode if self._is_text else msgspec.msgpack.decode
        self._headers = {"Content-Type": MEDIA_TYPES[form], "Accept": MEDIA_TYPES[form]}

    def post(self, path: str, body: Any) -> requests.Response:
        """Send a body."""
        return requests.post(f"{self._url}{path}", self._encode(body), headers=self._headers, timeout=60)

    def get(self, path: str) -> requests.Response:
        """Ask for something."""
        return requests.get(f"{self._url}{path}", headers=self._headers, timeout=60)

    def size(self, body: Any) -> int:
        """Bytes of a body."""
        return len(self._encode(body))

    def result(self, task_id: str) -> dict[str, Any]:
        """Of a task, once it has ended."""
        answer = self.get(f"/v1/tasks/{task_id}/result?wait=30")
        assert answer.status_code == 200
        return dict(self.decode(answer))

    def decode(self, answer: requests.Response) -> Any:
        """What an answer says."""
        return self._decode(answer.content)

    def data(self, value: Any) -> bytes:
        """Bytes as they come in this form."""
        return base64.b64decode(value) if self._is_text else bytes(value)

    def function(self, function: Any) -> str:
        """Register it."""
        answer = self.post("/v1/functions", {"name": "f", "payload": dill.dumps(function, recurse=True)})
        return str(self.decode(answer)["id"])

    def value(self, task_id: str) -> Any:
        """Of a task that completes."""
        result = self.result(task_id)
        assert result["state"] == "COMPLETED", result["failure"]
        return dill.loads(self.data(result["value"]))


@pytest.fixture(scope="module", params=["local", "push", "pull"])
def small(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a platform with small limits."""
    with Deployment(tmp_path_factory.mktemp("small"), request.param) as deployment:
        gateway = deployment.gateway("--max-payload", str(MAX_PAYLOAD), "--max-body", str(MAX_BODY))
        limits = {"max-result": MAX_RESULT, "max-output": MAX_OUTPUT}
        if request.param == "local":
            words = [word for name, size in limits.items() for word in (f"--local-{name}", str(size))]
            deployment.dispatcher("-w", "1", *words)
        else:
            deployment.dispatcher()
            deployment.worker(1, *(word for name, size in limits.items() for word in (f"--{name}", str(size))))
        deployment.start()
        yield gateway.url


@pytest.fixture(params=MEDIA_TYPES)
def api(request: pytest.FixtureRequest, small: str) -> Api:
    return Api(small, request.param)


def _digest() -> Callable[[str], str]:
    """A function that travels by value."""

    def digest(value: str) -> str:
        """As what comes may be larger than a result."""
        import hashlib

        return hashlib.sha256(value.encode()).hexdigest()

    return digest


digest = _digest()


@pytest.mark.parametrize("excess", AROUND)
@pytest.mark.parametrize("many", [False, True], ids=["single", "batch"])
def test_arguments(api: Api, excess: int, many: bool) -> None:
    function_id = api.function(digest)
    payload = pickled(MAX_PAYLOAD + excess, lambda filling: ((filling,), {}))
    ((argument,), _) = dill.loads(payload)
    large = {"function_id": function_id, "payload": payload}
    plain = {"function_id": function_id, "payload": dill.dumps((("small",), {}))}
    if many:
        answers = api.decode(api.post("/v1/tasks:batch", {"tasks": [plain, large]}))["results"]
        assert api.value(answers[0]["id"]), "its neighbour is done"
        status, accepted = answers[1].get("error", {}).get("status", 202), answers[1]
    else:
        answer = api.post("/v1/tasks", large)
        status, accepted = answer.status_code, api.decode(answer) if answer.ok else {}
    assert status == (413 if excess > 0 else 202)
    assert status == 413 or api.value(accepted["id"]) == digest(argument)


@pytest.mark.parametrize("excess", AROUND)
def test_a_function(api: Api, excess: int) -> None:
    def carrying(filling: str) -> Any:
        return lambda: len(filling)

    payload = pickled(MAX_PAYLOAD + excess, carrying)
    answer = api.post("/v1/functions", {"name": "f", "payload": payload})
    if excess > 0:
        assert answer.status_code == 413
        return
    task = {"function_id": api.decode(answer)["id"], "payload": dill.dumps(((), {}))}
    assert api.value(api.decode(api.post("/v1/tasks", task))["id"]) == dill.loads(payload)()


@pytest.mark.parametrize("excess", AROUND)
def test_a_result(api: Api, excess: int) -> None:
    size = MAX_RESULT + excess
    length = len(dill.loads(pickled(size, lambda filling: filling.encode())))

    def make(length: int) -> bytes:
        return b"x" * length

    task = {"function_id": api.function(make), "payload": dill.dumps(((length,), {}))}
    task_id = api.decode(api.post("/v1/tasks", task))["id"]
    if excess <= 0:
        assert api.value(task_id) == make(length)
        return
    result = api.result(task_id)
    assert (result["state"], result["failure"]["kind"]) == ("FAILED", "result_too_large")
    assert str(MAX_RESULT) in result["failure"]["message"]


@pytest.mark.parametrize("excess", AROUND)
def test_output(api: Api, excess: int) -> None:
    """Of what is printed over the limit, both ends are kept, and it is said how much was cut."""

    def write(length: int) -> int:
        import os

        return os.write(1, b"a" + b"-" * (length - 2) + b"z")

    size = MAX_OUTPUT + excess
    task = {"function_id": api.function(write), "payload": dill.dumps(((size,), {}))}
    task_id = api.decode(api.post("/v1/tasks", task))["id"]
    assert api.value(task_id) == size
    printed = api.decode(api.get(f"/v1/tasks/{task_id}/logs"))["stdout"]
    assert (printed[0], printed[-1]) == ("a", "z")
    assert len(printed) == size if excess <= 0 else "[… 1 bytes cut]" in printed


@pytest.mark.parametrize("excess", AROUND)
def test_a_body(api: Api, excess: int) -> None:
    """A batch of tasks, which are all done or all refused."""
    function_id = api.function(digest)

    def body(filling: int) -> dict[str, Any]:
        task = {"function_id": function_id, "args": ["x" * 45_000]}
        return {"tasks": [task] * 4 + [{"function_id": function_id, "args": ["y" * filling]}]}

    filling = MAX_BODY + excess - api.size(body(20_000)) + 20_000
    assert api.size(body(filling)) == MAX_BODY + excess
    answer = api.post("/v1/tasks:batch", body(filling))
    if excess > 0:
        assert (answer.status_code, answer.json()["type"]) == (413, "urn:mpcsfaas:problem:too-large")
        return
    ids = [item["id"] for item in api.decode(answer)["results"]]
    values = [str(api.result(task_id)["value"]) for task_id in ids]
    assert [digest("x" * 45_000) in value for value in values] == [True] * 4 + [False]
    assert digest("y" * filling) in values[-1]


@pytest.mark.parametrize("excess", AROUND)
def test_the_classic_endpoints(small: str, excess: int) -> None:
    def post(path: str, body: dict[str, str]) -> requests.Response:
        return requests.post(f"{small}{path}", json=body, timeout=60)

    def text(data: bytes) -> str:
        return codecs.encode(data, "base64").decode()

    registered = post("/register_function", {"name": "f", "payload": text(dill.dumps(digest, recurse=True))})
    payload = pickled(MAX_PAYLOAD + excess, lambda filling: ((filling,), {}))
    body = {"function_id": registered.json()["function_id"], "payload": text(payload)}
    answer = post("/execute_function", body)
    assert answer.status_code == (413 if excess > 0 else 200)
    if excess <= 0:
        task_id = answer.json()["task_id"]
        wait_until(lambda: requests.get(f"{small}/status/{task_id}", timeout=60).json()["status"] == "COMPLETED", 30)
        result = requests.get(f"{small}/result/{task_id}", timeout=60).json()["result"]
        assert dill.loads(codecs.decode(result.encode(), "base64")) == digest(dill.loads(payload)[0][0])
