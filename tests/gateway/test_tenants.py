"""Every route, asked by those who must not be told: a new one fails here until the tables below say how to ask it."""

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple
from uuid import uuid4

import dill
import httpx
import pytest

from mpcsfaas.gateway import counting
from mpcsfaas.gateway.app import create_app
from mpcsfaas.gateway.auth.keys import Scope, create_key, encode_key
from mpcsfaas.gateway.settings import GatewaySettings
from mpcsfaas.interfaces import Serializer
from mpcsfaas.interfaces.storage import StorageOptions, TaskFilter
from mpcsfaas.model import tenants_function_id
from mpcsfaas.testing.gateway import GatewayThread, HandDispatcher
from mpcsfaas_storage_memory import MemoryStorage

ALIVE = b": alive\n\n"
PUBLIC = {("GET", "/"), ("GET", "/healthz"), ("GET", "/readyz")}
WITHOUT_IDS = {
    ("GET", "/v1/functions"), ("GET", "/v1/tasks"), ("GET", "/v1/stats"), ("GET", "/v1/workers"),
    ("POST", "/v1/functions"), ("POST", "/register_function"),
}  # fmt: skip
"""What names nothing that could be another's."""
WHOLE_PLATFORM = {("GET", "/v1/workers")}
"""What tells of all tenants, and so needs `admin`."""
PAYLOAD = base64.b64encode(dill.dumps(abs)).decode()
CALL = base64.encodebytes(dill.dumps(((1,), {}))).decode()


Connect = Callable[..., httpx.Client]


class Ids(NamedTuple):
    """What a request names."""

    task_id: str
    function_id: str
    group: str


def body_of(path: str, ids: Ids) -> Any:
    """What is sent to a path that takes a body."""
    return {
        "/v1/functions": {"name": "f", "payload": PAYLOAD},
        "/register_function": {"name": "f", "payload": PAYLOAD},
        "/v1/tasks": {"function_id": ids.function_id, "args": [1]},
        "/v1/tasks:batch": {"tasks": [{"function_id": ids.function_id, "args": [1]}]},
        "/v1/tasks:cancel": {"ids": [ids.task_id]},
        "/v1/tasks:retry": {"ids": [ids.task_id]},
        "/v1/tasks:results": {"ids": [ids.task_id]},
        "/execute_function": {"function_id": ids.function_id, "payload": CALL},
    }[path]


def operations() -> list[tuple[str, str]]:
    app = create_app(MemoryStorage("memory://", StorageOptions()), [], GatewaySettings())
    return [(method.upper(), path) for path, methods in app.openapi()["paths"].items() for method in methods]


OPERATIONS = operations()
PRIVATE = [operation for operation in OPERATIONS if operation not in PUBLIC]
NAMING = [operation for operation in PRIVATE if operation not in WITHOUT_IDS]


class Tenant:
    """One tenant at work."""

    def __init__(self, gateway: GatewayThread, name: str, api: httpx.Client) -> None:
        self.name = name
        self.api = api
        made = {"name": "f", "payload": PAYLOAD}
        self.function = self.api.post("/v1/functions", json=made).json()["id"]
        task = {"function_id": self.function, "args": [1], "group": "a/group"}
        self.queued, self.ended = (self.api.post("/v1/tasks", json=task).json()["id"] for _ in range(2))
        dispatcher = HandDispatcher(gateway, name)
        attempts = {attempt.task.id: attempt for attempt in dispatcher.claim()}
        dispatcher.complete([attempts[self.ended]], b"42")

    @property
    def ids(self) -> Ids:
        """What it has."""
        return Ids(self.ended, self.function, "a/group")


def key_for(gateway: GatewayThread, tenant: str, *scopes: Scope) -> dict[str, str]:
    text, key = create_key(tenant, scopes or (Scope.REGISTER, Scope.EXECUTE, Scope.READ), now=time.time())
    gateway.run(gateway.storage.put_key(key.id, encode_key(key)))
    return {"Authorization": f"Bearer {text}"}


@pytest.fixture(scope="module")
def gateway(settings: GatewaySettings, serializers: list[Serializer]) -> Iterator[GatewayThread]:
    with GatewayThread(MemoryStorage("memory://", StorageOptions()), serializers, settings) as running:
        yield running


@pytest.fixture(scope="module")
def connect() -> Iterator[Connect]:
    """Makes clients that are closed in the end."""
    with ExitStack() as clients:
        yield lambda gateway, headers=None: clients.enter_context(httpx.Client(base_url=gateway.url, headers=headers))


@pytest.fixture(scope="module")
def tenants(gateway: GatewayThread, connect: Connect) -> dict[str, Tenant]:
    names = ("default", "acme", "other")
    return {name: Tenant(gateway, name, connect(gateway, key_for(gateway, name))) for name in names}


def ask(api: httpx.Client, operation: tuple[str, str], ids: Ids, **headers: str) -> tuple[int, str]:
    """The status and the text of an answer; of a stream, its first words."""
    method, path = operation
    target = path.replace("{group:path}", "{group}").format(**ids._asdict())
    body = body_of(path, ids) if method == "POST" else None
    with api.stream(method, target, json=body, headers=headers, params=wait_of(operation)) as answer:
        if answer.headers.get("Content-Type", "").startswith("text/event-stream"):
            return answer.status_code, next(answer.iter_text())
        return answer.status_code, answer.read().decode()


def wait_of(operation: tuple[str, str]) -> dict[str, str]:
    return {"wait": "0.01"} if operation[1] in ("/v1/tasks", "/v1/tasks/{task_id}/result") else {}


# Scopes


@pytest.mark.parametrize("operation", PRIVATE, ids=" ".join)
def test_without_a_key_nothing_is_told(
    gateway: GatewayThread, connect: Connect, tenants: dict[str, Tenant], operation: tuple[str, str]
) -> None:
    assert ask(connect(gateway), operation, tenants["acme"].ids)[0] == 401


@pytest.mark.parametrize("operation", sorted(PUBLIC), ids=" ".join)
def test_what_everybody_may_ask(
    gateway: GatewayThread, connect: Connect, tenants: dict[str, Tenant], operation: tuple[str, str]
) -> None:
    assert ask(connect(gateway), operation, tenants["acme"].ids)[0] in (200, 503)


@pytest.mark.parametrize("operation", PRIVATE, ids=" ".join)
def test_only_the_scope_that_is_needed_opens(
    gateway: GatewayThread, connect: Connect, operation: tuple[str, str]
) -> None:
    app_says = gateway.app.openapi()["paths"][operation[1]][operation[0].lower()]["security"]
    (needed,) = app_says[0]["key"]
    assert (needed == Scope.ADMIN) == (operation in WHOLE_PLATFORM)
    api = connect(gateway)
    nothing = Ids(str(uuid4()), str(uuid4()), "nothing")
    others = [scope for scope in Scope if scope not in (needed, Scope.ADMIN)]
    status, text = ask(api, operation, nothing, **key_for(gateway, "scopes", *others))
    assert status == 403
    assert f"needs the scope {needed}" in text
    assert ask(api, operation, nothing, **key_for(gateway, "scopes", needed))[0] not in (401, 403)
    assert ask(api, operation, nothing, **key_for(gateway, "scopes", Scope.ADMIN))[0] not in (401, 403)


# Tenants


VICTIMS = [("acme", "other"), ("acme", "default"), ("default", "acme")]


@pytest.mark.parametrize(("victim", "other"), VICTIMS)
@pytest.mark.parametrize("operation", NAMING, ids=" ".join)
def test_what_is_anothers_is_as_unknown_as_what_never_was(
    tenants: dict[str, Tenant], operation: tuple[str, str], victim: str, other: str
) -> None:
    """The function is named as its tenant knows it, and as it is in the storage; each tenant has that content, too."""
    theirs, mine = tenants[victim].ids, tenants[other]
    kept = theirs._replace(function_id=tenants_function_id(victim, theirs.function_id))
    unknown = Ids(str(uuid4()), str(uuid4()), "unknown")
    mine.api.delete(f"/v1/functions/{mine.function}")
    try:
        for foreign in (theirs, kept, theirs._replace(group=f"tenant:{victim}/{theirs.group}")):
            if "group" in operation[1] and foreign.group == theirs.group:
                continue  # A group of that name may well be its own.
            expected = ask(mine.api, operation, unknown)
            found = ask(mine.api, operation, foreign)
            for known, name in zip(foreign, unknown, strict=True):
                found = (found[0], found[1].replace(known, name))
            assert found == expected
    finally:
        mine.api.post("/v1/functions", json=body_of("/v1/functions", theirs))
    assert tenants[victim].api.get(f"/v1/tasks/{theirs.task_id}/result").json()["state"] == "COMPLETED"
    assert tenants[victim].api.get(f"/v1/tasks/{tenants[victim].queued}").json()["state"] == "RUNNING"
    assert tenants[victim].api.get(f"/v1/functions/{theirs.function_id}").status_code == 200


@pytest.mark.parametrize("name", ["default", "acme", "other"])
def test_each_sees_its_own(tenants: dict[str, Tenant], name: str) -> None:
    mine, api = tenants[name], tenants[name].api
    tasks = api.get("/v1/tasks", params={"limit": 1000}).json()["items"]
    assert {mine.queued, mine.ended} <= {task["id"] for task in tasks}
    assert not {task["id"] for task in tasks} & {
        task_id for each in tenants.values() if each is not mine for task_id in (each.queued, each.ended)
    }
    assert {task["function_id"] for task in tasks} == {mine.function}
    assert {task["options"].get("group") for task in tasks} <= {"a/group", None}
    assert [function["id"] for function in api.get("/v1/functions").json()["items"]] == [mine.function]
    for criteria in ({"function": mine.function}, {"group": "a/group"}, {"state": "COMPLETED"}):
        found = {task["id"] for task in api.get("/v1/tasks", params=criteria).json()["items"]}
        assert mine.ended in found
        assert found <= {task["id"] for task in tasks}
    assert api.get(f"/v1/tasks/{mine.ended}/logs").json()["stdout"] == "out\n"
    assert api.get(f"/status/{mine.ended}").json()["status"] == "COMPLETED"


@pytest.mark.parametrize("name", ["default", "acme", "other"])
def test_a_stream_gives_the_results_of_its_tenants_group(tenants: dict[str, Tenant], name: str) -> None:
    status, text = ask(tenants[name].api, ("GET", "/v1/groups/{group}/stream"), tenants[name].ids)
    assert status == 200
    assert [tenants[each].ended in text for each in tenants] == [each == name for each in tenants]


def test_in_the_storage_groups_of_the_same_name_are_apart(gateway: GatewayThread, tenants: dict[str, Tenant]) -> None:
    completions = gateway.run(gateway.storage.completions(0, group="a/group"))
    assert [completion.task_id for completion in completions] == [tenants["default"].ended]


def test_pages_of_a_tenant_lead_through_those_of_others(tenants: dict[str, Tenant]) -> None:
    for kind, mine in (("tasks", tenants["acme"].ended), ("functions", tenants["acme"].function)):
        found, cursor = [], ""
        while cursor is not None:
            page = tenants["acme"].api.get(f"/v1/{kind}", params={"limit": 1} | ({"cursor": cursor} if cursor else {}))
            found += [item["id"] for item in page.json()["items"]]
            cursor = page.json()["cursor"]
        assert found.count(mine) == 1
        assert len(found) == len(set(found))


def test_a_taken_task_id_is_refused_and_nothing_of_it_is_told(tenants: dict[str, Tenant]) -> None:
    mine = tenants["other"]
    task = {"function_id": mine.function, "args": [1], "task_id": tenants["acme"].ended}
    refused = mine.api.post("/v1/tasks", json=task, params={"wait": 1})
    assert refused.status_code == 409
    assert "COMPLETED" not in refused.text
    batch = mine.api.post("/v1/tasks:batch", json={"tasks": [task, {"function_id": mine.function, "args": [2]}]})
    taken, accepted = batch.json()["results"]
    assert taken["error"]["status"] == 409
    assert accepted["state"] == "QUEUED"


def test_another_tenants_task_is_nobodys_parent(gateway: GatewayThread, tenants: dict[str, Tenant]) -> None:
    acme, other = tenants["acme"], tenants["other"]
    told = []
    for parent in (acme.ended, acme.queued, str(uuid4())):
        child = {"function_id": other.function, "args": [{"$result": parent}], "after": [parent]}
        refused = other.api.post("/v1/tasks", json=child)
        taken = {"function_id": other.function, "args": [1], "task_id": parent}
        batch = other.api.post("/v1/tasks:batch", json={"tasks": [taken, child]}).json()["results"]
        told.append((refused.status_code, refused.json()["type"], batch[1].get("error", {}).get("status")))
    unknown = (404, "urn:mpcsfaas:problem:unknown-parent")
    assert told == [(*unknown, 404), (*unknown, 404), (*unknown, None)]
    own = {"function_id": acme.function, "args": [{"$result": acme.ended}], "after": [acme.ended]}
    assert acme.api.post("/v1/tasks", json=own).status_code == 202
    HandDispatcher(gateway).claim()


def test_the_same_content_is_another_function_for_another_tenant(tenants: dict[str, Tenant]) -> None:
    acme, other = tenants["acme"], tenants["other"]
    assert acme.function == other.function
    assert other.api.delete(f"/v1/functions/{other.function}").status_code == 204
    assert acme.api.get(f"/v1/functions/{acme.function}").status_code == 200
    assert other.api.post("/v1/functions", json=body_of("/v1/functions", other.ids)).status_code == 201


def test_an_idempotency_key_is_its_tenants(tenants: dict[str, Tenant]) -> None:
    task = {"args": [1], "idempotency_key": "once"}
    ids = [each.api.post("/v1/tasks", json=task | {"function_id": each.function}).json() for each in tenants.values()]
    assert [answer["duplicate"] for answer in ids] == [False] * len(tenants)
    again = tenants["acme"].api.post("/v1/tasks", json=task | {"function_id": tenants["acme"].function}).json()
    assert (again["id"], again["duplicate"]) == (ids[list(tenants).index("acme")]["id"], True)


def test_the_default_tenant_may_call_a_group_what_it_likes(gateway: GatewayThread, tenants: dict[str, Tenant]) -> None:
    mine, group = tenants["default"], "tenant:acme/a/group"
    task = {"function_id": mine.function, "args": [1], "group": group}
    made = mine.api.post("/v1/tasks", json=task).json()["id"]
    assert mine.api.get(f"/v1/tasks/{made}").json()["options"]["group"] == group
    assert [item["id"] for item in mine.api.get("/v1/tasks", params={"group": group}).json()["items"]] == [made]
    in_storage = gateway.run(gateway.storage.list_tasks(TaskFilter(group=group))).items
    assert made not in [record.id for record in in_storage]


def test_another_gateway_knows_whose_tasks_are(
    gateway: GatewayThread,
    connect: Connect,
    tenants: dict[str, Tenant],
    serializers: list[Serializer],
    settings: GatewaySettings,
) -> None:
    """It has nothing in its memory of them."""
    storage = MemoryStorage("memory://", StorageOptions())
    for method in ("list_keys", "get_tasks", "get_results", "get_function", "get_logs"):
        setattr(storage, method, getattr(gateway.storage, method))
    with GatewayThread(storage, serializers, settings) as second:
        for name, status in (("acme", 200), ("other", 404), ("default", 404)):
            api = connect(second, dict(tenants[name].api.headers))
            for path in ("/v1/tasks/{}", "/v1/tasks/{}/result", "/v1/tasks/{}/logs", "/status/{}", "/result/{}"):
                assert api.get(path.format(tenants["acme"].ended)).status_code == status


def test_a_tenants_counts_are_its_own(gateway: GatewayThread, connect: Connect, tenants: dict[str, Tenant]) -> None:
    api = connect(gateway, key_for(gateway, "counted"))
    nothing = {"queued": 0, "running": 0, "functions": 0, "at_least": False}
    unknown = dict.fromkeys(("completed", "failed", "cancelled", "fenced", "oldest_queued_at"))
    assert api.get("/v1/stats").json() == nothing | unknown
    Tenant(gateway, "counted", api)
    api.post("/v1/tasks", json={"function_id": api.get("/v1/functions").json()["items"][0]["id"], "args": []})
    counts = api.get("/v1/stats").json()
    assert {name: counts[name] for name in nothing} == {"queued": 1, "running": 1, "functions": 1, "at_least": False}
    whole = connect(gateway, key_for(gateway, "counted", Scope.ADMIN)).get("/v1/stats").json()
    assert whole["running"] > counts["running"]
    assert whole["completed"] >= len(tenants)


def test_what_is_too_much_to_count_is_told_as_such(
    gateway: GatewayThread, connect: Connect, tenants: dict[str, Tenant], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "PAGE_SIZE", 1)
    monkeypatch.setattr(counting, "MOST_PAGES", 2)
    counts = tenants["acme"].api.get("/v1/stats").json()
    assert counts["at_least"]
    assert counts["functions"] <= 2
