"""Which functions may be registered, who did what, and that no log tells a secret."""

import base64
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import dill
import httpx
import pytest

from mpcsfaas.errors import SettingsError
from mpcsfaas.gateway.auth.allow_list import read_allow_list
from mpcsfaas.gateway.auth.audit import MOST_NAMED, AuditLog
from mpcsfaas.gateway.auth.keys import create_key, encode_key
from mpcsfaas.gateway.settings import GatewaySettings
from mpcsfaas.interfaces import Serializer
from mpcsfaas.interfaces.storage import StorageOptions
from mpcsfaas.model import function_id
from mpcsfaas.testing.command_line import CommandLine
from mpcsfaas.testing.gateway import GatewayThread, uvicorn_alone
from mpcsfaas.testing.platform import PlatformProcess, wait_until
from mpcsfaas_storage_memory import MemoryStorage

ALLOWED, OTHER = dill.dumps(abs), dill.dumps(len)
ID, OTHER_ID = function_id("f", "dill", ALLOWED), function_id("f", "dill", OTHER)


def registration(payload: bytes) -> dict[str, str]:
    return {"name": "f", "payload": base64.b64encode(payload).decode()}


def key_for(gateway: GatewayThread, tenant: str = "default") -> tuple[str, str]:
    """A new key's id, and the key."""
    text, key = create_key(tenant, now=time.time())
    gateway.run(gateway.storage.put_key(key.id, encode_key(key)))
    return key.id, text


# The list of functions


def test_only_functions_on_the_list_can_be_registered(settings: GatewaySettings, serializers: list[Serializer]) -> None:
    strict = settings.model_copy(update={"allowed_functions": frozenset({ID})})
    with GatewayThread(MemoryStorage("memory://", StorageOptions()), serializers, strict) as gateway:
        _, key = key_for(gateway, "acme")
        with httpx.Client(base_url=gateway.url, headers={"Authorization": f"Bearer {key}"}) as api:
            for path in ("/v1/functions", "/register_function"):
                refused = api.post(path, json=registration(OTHER))
                assert (refused.status_code, OTHER_ID in refused.text) == (403, True)
                assert refused.json()["type"] == "urn:mpcsfaas:problem:function-not-allowed"
                assert api.post(path, json=registration(ALLOWED)).status_code < 300
            renamed = api.post("/v1/functions", json=registration(ALLOWED) | {"name": "g"})
            assert renamed.status_code == 403
            assert [function["id"] for function in api.get("/v1/functions").json()["items"]] == [ID]


def test_a_list_has_comments(tmp_path: Path) -> None:
    (tmp_path / "list").write_text(f"# these\n\n{ID.upper()}  # abs\n")
    assert read_allow_list(tmp_path / "list") == {ID}


def test_a_list_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("abs\n")
    with pytest.raises(SettingsError, match="line 1"):
        read_allow_list(tmp_path / "list")
    missing = CommandLine(tmp_path)("serve", "--port", "0", "--allow-functions", "/nowhere", code=2)
    assert "/nowhere" in missing.errors


# The audit log


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "audit.log"


@pytest.fixture
def audited(settings: GatewaySettings, serializers: list[Serializer], log: Path) -> Iterator[GatewayThread]:
    watching = settings.model_copy(update={"audit_log": str(log), "behind_proxy": True})
    with GatewayThread(MemoryStorage("memory://", StorageOptions()), serializers, watching) as gateway:
        yield gateway


def lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_whoever_changes_something_is_in_the_log(audited: GatewayThread, log: Path) -> None:
    key_id, key = key_for(audited, "acme")
    headers = {"Authorization": f"Bearer {key}", "X-Forwarded-For": "10.9.9.9, 192.0.2.7"}
    with httpx.Client(base_url=audited.url, headers=headers) as api:
        api.post("/v1/functions", json=registration(ALLOWED))
        task = {"function_id": ID, "args": [1]}
        one = api.post("/v1/tasks", json=task).json()["id"]
        api.post("/v1/tasks:batch", json={"tasks": [task] * 3})
        api.post("/v1/tasks:cancel", json={"ids": [one]})
        api.get(f"/v1/tasks/{one}")
        api.delete(f"/v1/tasks/{one}")
        api.delete(f"/v1/functions/{ID}")
        api.post("/v1/tasks", json=task, headers={"Authorization": "Bearer mpcs_0_0"})
    wait_until(lambda: len(lines(log)) == 7, what="seven lines")
    told = lines(log)
    assert {(line["key"], line["tenant"]) for line in told[:-1]} == {(key_id, "acme")}
    assert {line["address"] for line in told} == {"192.0.2.7"}
    assert [line["status"] for line in told] == [201, 202, 200, 200, 200, 204, 401]
    assert (told[0]["path"], told[0]["function"], told[0]["name"]) == ("/v1/functions", ID, "f")
    assert (told[1]["function"], told[1]["task"]) == (ID, one)
    assert (told[2]["functions"], told[2]["tasks"]) == ([ID], 3)
    assert told[3]["ids"] == [one]
    assert [(line["method"], line["path"]) for line in told[4:6]] == [
        ("DELETE", f"/v1/tasks/{one}"),
        ("DELETE", f"/v1/functions/{ID}"),
    ]
    assert told[6]["key"] is None
    assert key.rpartition("_")[2] not in log.read_text()


def test_who_only_asks_is_not_in_the_log(audited: GatewayThread, log: Path) -> None:
    asked = httpx.post(f"{audited.url}/v1/tasks:results", json={"ids": [str(uuid4())]})
    assert asked.status_code == 200
    assert httpx.get(f"{audited.url}/v1/tasks").status_code == 200
    assert lines(log) == []


def test_of_many_ids_the_log_has_the_number(audited: GatewayThread, log: Path) -> None:
    _, key = key_for(audited)
    ids = [f"00000000-0000-4000-8000-{number:012}" for number in range(MOST_NAMED + 1)]
    httpx.post(f"{audited.url}/v1/tasks:cancel", json={"ids": ids}, headers={"Authorization": f"Bearer {key}"})
    wait_until(lambda: lines(log), what="a line")
    assert lines(log)[0]["ids"] == MOST_NAMED + 1


def test_a_log_is_its_owners_and_may_be_rotated(log: Path) -> None:
    audit = AuditLog(str(log))
    audit.write(what="first")
    log.rename(log.with_suffix(".1"))
    audit.write(what="line\nbreak")
    audit.close()
    assert {path.stat().st_mode & 0o777 for path in (log, log.with_suffix(".1"))} == {0o600}
    assert [line["what"] for line in lines(log)] == ["line\nbreak"]


def test_changes_of_keys_are_in_the_log(tmp_path: Path, log: Path) -> None:
    command = CommandLine(tmp_path)
    quotas = ("--max-queued", "5", "--max-running", "2")
    key = command("keys", "create", "--tenant", "acme", *quotas, "--audit-log", str(log)).output.strip()
    listed = command("keys", "list").output
    assert "up to 5" in listed
    assert "up to 2" in listed
    command("keys", "revoke", key, "--audit-log", str(log))
    created, revoked = lines(log)
    assert (created["event"], created["tenant"], created["uid"]) == ("key-created", "acme", os.getuid())
    assert (created["max_queued"], created["max_running"]) == (5, 2)
    assert (revoked["event"], revoked["key"]) == ("key-revoked", created["key"])
    assert key.rpartition("_")[2] not in log.read_text()


def test_a_log_that_cannot_be_written_stops_the_start(tmp_path: Path) -> None:
    refused = CommandLine(tmp_path)("serve", "--port", "0", "--audit-log", "/nowhere/audit", code=2)
    assert "/nowhere/audit" in refused.errors


# Secrets


def use(url: str, key: str) -> None:
    """Drive requests of every outcome with a key."""
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}) as api:
        assert api.post("/v1/functions", json=registration(ALLOWED)).status_code == 201
        assert api.get("/v1/tasks").status_code == 200
        assert api.get("/v1/workers").status_code == 403
        for wrong in (f"Bearer {key}0", f"Basic {key}", key):
            assert api.post("/v1/tasks", json={}, headers={"Authorization": wrong}).status_code == 401


def test_no_output_of_a_gateway_or_of_its_clients_tells_a_secret(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/tasks.db"
    words = ["--log-level", "debug", "--audit-log", "-"]
    command = CommandLine(tmp_path)
    key = command("keys", "create", "--storage", storage).output.strip()
    with PlatformProcess(tmp_path, *words, command="serve", environment={"MPCSFAAS_API_KEY": key}) as gateway:
        use(gateway.url, key)
        refused = command("tasks", "--url", gateway.url, code=1, MPCSFAAS_API_KEY=f"{key}0")
        listed = command("keys", "list", "--json", "--storage", storage, MPCSFAAS_API_KEY=key)
        wait_until(lambda: '"status":201' in gateway.log, what="the audit line")
    for output in (gateway.log, *refused, *listed):
        assert key.rpartition("_")[2] not in output


def test_no_access_log_tells_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UVICORN_LOG_LEVEL", "trace")
    storage = f"sqlite:///{tmp_path}/tasks.db"
    key = CommandLine(tmp_path)("keys", "create", "--storage", storage).output.strip()
    with uvicorn_alone(tmp_path, storage) as (_, url):
        wait_until(lambda: "startup complete" in (tmp_path / "log").read_text(), 30, "the start")
        use(url, key)
    output = (tmp_path / "log").read_text()
    assert "POST /v1/functions" in output
    assert key.rpartition("_")[2] not in output
