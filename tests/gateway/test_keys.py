"""API keys: who has one gets in, as what it says, and nobody else."""

import base64
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import Any

import dill
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcsfaas.gateway.auth import keyring
from mpcsfaas.gateway.auth.keys import ApiKey, Scope, create_key, decode_key, encode_key, is_secret_of, split_key
from mpcsfaas.gateway.settings import GatewaySettings
from mpcsfaas.interfaces import Serializer
from mpcsfaas.interfaces.storage import StorageOptions
from mpcsfaas.testing.gateway import GatewayThread
from mpcsfaas.testing.other_user import STRANGER, needs_root, request_as
from mpcsfaas.testing.platform import wait_until
from mpcsfaas_storage_memory import MemoryStorage

LONGEST = 5.0
"""Seconds for which a revoked key may work; the promise of docs/security.md."""

MakeKey = Callable[..., tuple[str, ApiKey]]


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


@pytest.fixture
def gateway(settings: GatewaySettings, serializers: list[Serializer]) -> Iterator[GatewayThread]:
    with GatewayThread(MemoryStorage("memory://", StorageOptions()), serializers, settings) as running:
        yield running


@pytest.fixture
def make_key(gateway: GatewayThread) -> MakeKey:
    """Makes a key and gives it to the gateway."""

    def make(**settings: Any) -> tuple[str, ApiKey]:
        text, key = create_key(now=time.time(), **settings)
        gateway.run(gateway.storage.put_key(key.id, encode_key(key)))
        return text, key

    return make


# The key itself


def test_a_key_is_256_random_bits_behind_a_visible_name() -> None:
    text, key = create_key(now=0.0)
    parts = split_key(text)
    assert parts is not None
    key_id, secret = parts
    assert text == f"mpcs_{key.id}_{secret}"
    assert key_id == key.id
    assert len(bytes.fromhex(secret)) * 8 == 256
    assert create_key(now=0.0)[0] != text


@given(st.text() | st.just("mpcs_a_b"))
def test_only_its_own_secret_opens(guess: str) -> None:
    text, key = create_key(now=0.0)
    assert not is_secret_of(key, guess)
    parts = split_key(text)
    assert parts is not None
    assert is_secret_of(key, parts[1])
    assert not is_secret_of(key, parts[1][:-1])


def test_what_is_kept_of_a_key_does_not_tell_its_secret() -> None:
    text, key = create_key(now=0.0)
    record = encode_key(key)
    secret = text.rpartition("_")[2]
    assert decode_key(record) == key
    for form in (secret.encode(), bytes.fromhex(secret)):
        assert form not in record


def test_a_secret_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def note(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return False

    monkeypatch.setattr("hmac.compare_digest", note)
    _, key = create_key(now=0.0)
    assert not is_secret_of(key, "guess")
    assert compared


@pytest.mark.parametrize("text", ["", "mpcs", "mpcs_", "mpcs_id", "mpcs_id_", "mpcs__secret", "other_id_secret"])
def test_what_is_no_key(text: str) -> None:
    assert split_key(text) is None


# At the door


def test_as_soon_as_there_is_a_key_one_is_demanded(gateway: GatewayThread, make_key: MakeKey) -> None:
    with httpx.Client(base_url=gateway.url) as api:
        assert api.get("/v1/tasks").status_code == 200
        text, _ = make_key()
        wait_until(lambda: api.get("/v1/tasks").status_code == 401, LONGEST, "the demand for a key")
        refused = api.get("/v1/tasks")
        assert refused.headers["WWW-Authenticate"] == "Bearer"
        assert refused.json()["type"] == "urn:mpcsfaas:problem:key-needed"
        assert "MPCSFAAS_API_KEY" in refused.json()["detail"]
        assert api.get("/v1/tasks", headers=bearer(text)).status_code == 200


@needs_root
def test_whoever_has_a_key_is_let_in(gateway: GatewayThread, make_key: MakeKey) -> None:
    text, _ = make_key()
    assert request_as(STRANGER, gateway.url, "GET", "/v1/tasks", Authorization=f"Bearer {text}").status == 200
    assert request_as(STRANGER, gateway.url, "GET", "/v1/tasks").status == 401


def test_a_new_key_works_at_once(gateway: GatewayThread, make_key: MakeKey) -> None:
    first, _ = make_key()
    assert httpx.get(f"{gateway.url}/v1/tasks", headers=bearer(first)).status_code == 200
    second, _ = make_key()
    wait_until(
        lambda: httpx.get(f"{gateway.url}/v1/tasks", headers=bearer(second)).status_code == 200,
        keyring.MAX_AGE / 2,
        "a new key",
    )


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("Bearer mpcs_000000000000_" + "0" * 64, "unknown-key"),
        ("Bearer {id_only}_" + "0" * 64, "unknown-key"),
        ("Bearer {key}0", "unknown-key"),
        ("Bearer {key}"[:-1], "malformed-key"),
        ("Basic {key}", "malformed-key"),
        ("{key}", "malformed-key"),
        ("Bearer", "malformed-key"),
        ("", "malformed-key"),
        ("Bearer \xe9", "malformed-key"),
    ],
)
def test_a_key_that_is_not_right(gateway: GatewayThread, make_key: MakeKey, header: str, kind: str) -> None:
    text, key = make_key()
    value = header.replace("{key}", text).replace("{id_only}", f"mpcs_{key.id}")
    refused = httpx.get(f"{gateway.url}/v1/tasks", headers=[(b"Authorization", value.encode("latin-1"))])
    assert refused.status_code == 401
    assert refused.json()["type"] == f"urn:mpcsfaas:problem:{kind}"
    assert refused.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert "0" * 64 not in refused.text


def test_a_key_that_has_expired_says_so(gateway: GatewayThread, make_key: MakeKey) -> None:
    text, key = make_key(expires_at=time.time() - 1)
    refused = httpx.get(f"{gateway.url}/v1/tasks", headers=bearer(text))
    assert refused.status_code == 401
    assert refused.json()["type"] == "urn:mpcsfaas:problem:expired-key"
    assert key.id in refused.json()["detail"]
    assert httpx.get(f"{gateway.url}/v1/tasks").status_code == 401


def test_a_revoked_key_works_for_five_seconds_at_most(gateway: GatewayThread, make_key: MakeKey) -> None:
    make_key()
    text, key = make_key()
    with httpx.Client(base_url=gateway.url, headers=bearer(text)) as api:
        assert api.get("/v1/tasks").status_code == 200
        gateway.run(gateway.storage.delete_key(key.id))
        wait_until(lambda: api.get("/v1/tasks").status_code == 401, LONGEST, "the end of a revoked key")
        assert api.get("/v1/tasks").json()["type"] == "urn:mpcsfaas:problem:unknown-key"


def test_a_stream_ends_with_its_key(gateway: GatewayThread, make_key: MakeKey) -> None:
    """Others use the gateway meanwhile, so that it knows of the end without the stream's asking."""
    other, _ = make_key()
    text, key = make_key()
    with httpx.stream("GET", f"{gateway.url}/v1/groups/g/stream", headers=bearer(text), timeout=LONGEST) as stream:
        chunks = stream.iter_raw()
        assert next(chunks) == b": alive\n\n"
        gateway.run(gateway.storage.delete_key(key.id))
        end = time.monotonic() + LONGEST
        for _ in chunks:
            assert time.monotonic() < end, "a stream outlived its key"
            assert httpx.get(f"{gateway.url}/v1/tasks", headers=bearer(other)).status_code == 200
    assert httpx.get(f"{gateway.url}/v1/tasks", headers=bearer(text)).status_code == 401


def test_a_request_that_waits_is_not_answered_after_the_end_of_its_key(
    gateway: GatewayThread, make_key: MakeKey, background: Executor
) -> None:
    make_key()
    text, key = make_key()
    body = {"name": "f", "payload": base64.b64encode(dill.dumps(abs)).decode()}
    function = httpx.post(f"{gateway.url}/v1/functions", json=body, headers=bearer(text)).json()["id"]
    task = {"function_id": function, "args": [1]}
    waiting = background.submit(
        httpx.post, f"{gateway.url}/v1/tasks?wait={keyring.MAX_AGE + 1}", json=task, headers=bearer(text), timeout=30
    )
    wait_until(lambda: gateway.audience == 1, what="the wait")
    gateway.run(gateway.storage.delete_key(key.id))
    assert waiting.result(30).status_code == 401


def test_an_unreadable_record_lets_nobody_in_and_still_demands_a_key(gateway: GatewayThread) -> None:
    gateway.run(gateway.storage.put_key("later", b"written by another release"))
    assert httpx.get(f"{gateway.url}/v1/tasks").status_code == 401
    assert httpx.get(f"{gateway.url}/v1/tasks", headers=bearer("mpcs_later_0")).status_code == 401


def test_where_keys_are_required_none_is_none(settings: GatewaySettings, serializers: list[Serializer]) -> None:
    strict = settings.model_copy(update={"require_keys": True})
    with GatewayThread(MemoryStorage("memory://", StorageOptions()), serializers, strict) as gateway:
        assert httpx.get(f"{gateway.url}/v1/tasks").status_code == 401
        assert httpx.get(f"{gateway.url}/v1/tasks", headers=bearer("mpcs_a_b")).status_code == 401
        assert httpx.get(f"{gateway.url}/healthz").status_code == 200


def test_a_key_for_another_platform_does_no_harm_where_there_are_none(gateway: GatewayThread) -> None:
    text, _ = create_key(now=0.0)
    assert httpx.get(f"{gateway.url}/v1/tasks", headers=bearer(text)).status_code == 200


# How fast


def test_a_key_that_is_used_too_fast_has_to_wait(gateway: GatewayThread, make_key: MakeKey) -> None:
    other, _ = make_key()
    text, _ = make_key(requests_per_second=0.5)
    with httpx.Client(base_url=gateway.url) as api:
        answers = [api.get("/v1/tasks", headers=bearer(text)) for _ in range(4)]
        assert [answer.status_code for answer in answers][-1] == 429
        assert answers[0].status_code == 200
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 4
        assert answers[-1].json()["type"] == "urn:mpcsfaas:problem:too-fast"
        assert api.get("/v1/tasks", headers=bearer(other)).status_code == 200


def test_large_bodies_use_up_what_a_key_may_send(gateway: GatewayThread, make_key: MakeKey) -> None:
    text, _ = make_key(bytes_per_second=1000.0)
    with httpx.Client(base_url=gateway.url, headers=bearer(text)) as api:
        large = {"tasks": [], "padding": "x" * 50_000}
        assert api.post("/v1/tasks:batch", json=large).status_code == 422
        refused = api.post("/v1/tasks:batch", json={"tasks": []})
        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) >= 40


@pytest.mark.parametrize("scope", list(Scope))
def test_admin_is_good_for_everything(scope: Scope) -> None:
    _, admin = create_key(now=0.0, scopes=[Scope.ADMIN])
    _, none = create_key(now=0.0, scopes=[])
    assert admin.grants(scope)
    assert not none.grants(scope)
