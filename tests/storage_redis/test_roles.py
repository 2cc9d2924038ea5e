"""The users of the documentation, one for each role: enough for real work, and no more than that."""

import asyncio
import re
import shlex
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path

import pytest

from mpcsfaas.client import Client, result_of
from mpcsfaas.client.errors import ParentFailed
from mpcsfaas.errors import SettingsError
from mpcsfaas.model import AttemptRecord, State, Task, TaskOptions, Transition, new_task_id
from mpcsfaas.testing.command_line import CommandLine
from mpcsfaas.testing.deployment import Deployment
from mpcsfaas.testing.redis_server import RedisServer
from mpcsfaas.testing.storage_cases.world import make_function
from mpcsfaas_storage_redis import RedisOptions, RedisStorage
from mpcsfaas_storage_redis.scripts import load

DOCUMENT = Path(__file__).parents[2] / "docs" / "redis.md"
SCRIPTS = {
    "faas-gateway": (
        *("open", "put_function", "delete_function", "enqueue", "cancel", "list_tasks", "statistics", "dispatchers"),
    ),
    "faas-dispatcher": (
        *("open", "claim", "claim_lapsed", "claim_overdue", "adopt", "renew", "finish", "take_cancellations"),
        *("end_delays", "expire", "report_dispatcher", "statistics", "dispatchers"),
    ),
    "faas-keys": (),
}
"""The scripts of each role; `keys` runs `open` alone, of which it does not need all."""
SINGLE = {
    "faas-gateway": {"hgetall", "multi", "exec", "xrange", "zrangebylex", "subscribe"},
    "faas-dispatcher": {"zscore", "subscribe"},
    "faas-keys": {"setnx", "mget", "hset", "hdel", "hgetall"},
}
ALWAYS = {"info", "evalsha", "script|load", "select", "time"}


def users() -> dict[str, list[str]]:
    """The rules of each user, as a shell hands them to redis-cli."""
    text = DOCUMENT.read_text().replace("\\\n", "")
    commands = re.findall(r"^ +redis-cli ACL SETUSER (.+)$", text, re.MULTILINE)
    return {name: rules for name, *rules in map(shlex.split, commands)}


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[RedisServer]:
    """A server with these users."""
    with RedisServer(tmp_path) as server:
        for name, rules in users().items():
            assert server.command("ACL", "SETUSER", name, *rules) == b"+OK\r\n"
        yield server


def url_of(server: RedisServer, user: str) -> str:
    return server.url.replace("redis://", f"redis://{user}:change-me@")


@pytest.mark.parametrize("role", SCRIPTS)
def test_a_role_has_no_command_that_it_does_not_use(role: str) -> None:
    text = "".join(load(name).text for name in SCRIPTS[role])
    used = {word.lower() for word in re.findall(r"(?:p?call|call_for_each|call_in_parts)\('([A-Z]+)'", text)}
    granted = {rule[1:] for rules in [users()[role]] for rule in rules if rule.startswith("+")}
    assert granted == used | SINGLE[role] | ALWAYS


def fail() -> None:
    raise ValueError("on purpose")


def test_with_these_users_the_platform_works_and_nothing_is_refused(guarded: RedisServer, tmp_path: Path) -> None:
    keys = CommandLine(tmp_path)
    storage = ("--storage", url_of(guarded, "faas-keys"))
    key = keys("keys", "create", "--max-queued", "50", "--max-running", "1", *storage).output.strip()
    assert "up to 50" in keys("keys", "list", *storage).output
    with Deployment(tmp_path, "local", url_of(guarded, "faas-gateway")) as deployment:
        deployment.gateway()
        deployment.storage = url_of(guarded, "faas-dispatcher")
        deployment.dispatcher("-w", "2")
        deployment.start()
        with Client(deployment.url, key=key) as client:
            work(client)
        keys("keys", "revoke", key, *storage)
    assert guarded.command("ACL", "LOG") == b"*0\r\n", "something was refused, if only a hint"


def work(client: Client) -> None:
    """Everything that is done to tasks."""
    assert list(client.map(abs, range(-9, 0), progress=False)) == [9, 8, 7, 6, 5, 4, 3, 2, 1]
    retried = client.function(group="group", idempotency_key="key", max_retries=1, retry_delay=0.05)(fail)
    failing = retried.remote()
    with pytest.raises(ValueError, match="on purpose"):
        failing.result(30)
    late = retried.with_options(delay=60.0, deadline=60.0, idempotency_key=None).remote()
    late.cancel()
    parent = client.submit(abs, -1)
    assert client.submit(abs, result_of(parent)).result(30) == 1
    waiting = client.with_options(delay=60.0).submit(abs, -1)
    child = client.submit(abs, result_of(waiting))
    waiting.cancel()
    with pytest.raises(ParentFailed):
        child.result(30)
    assert client.stats().queued == 0
    assert len(list(client.tasks())) > 9


Forbidden = Callable[[RedisStorage], Coroutine[None, None, object]]
TASK = Task(new_task_id(), make_function("work").id, b"", "dill", 0.0, TaskOptions())
FORBIDDEN: list[tuple[str, Forbidden]] = [
    ("faas-gateway", lambda storage: storage.claim("gateway", 1, 60)),
    ("faas-gateway", lambda storage: storage.put_key("mine", b"")),
    ("faas-gateway", lambda storage: storage.delete_key("mine")),
    ("faas-dispatcher", lambda storage: storage.enqueue([TASK])),
    ("faas-dispatcher", lambda storage: storage.put_function(make_function("mine"))),
    ("faas-dispatcher", lambda storage: storage.delete_function(TASK.function_id)),
    ("faas-dispatcher", lambda storage: storage.list_keys()),
    ("faas-dispatcher", lambda storage: storage.put_key("mine", b"")),
    ("faas-keys", lambda storage: storage.statistics()),
    ("faas-keys", lambda storage: storage.get_function(TASK.function_id)),
]


def test_what_is_another_roles_is_refused(guarded: RedisServer) -> None:
    asyncio.run(_refused(guarded))


async def _refused(server: RedisServer) -> None:
    owner = await _opened(server.url)
    await owner.put_function(make_function("work"))
    (waiting, running) = [Task(new_task_id(), TASK.function_id, b"", "dill", 0.0) for _ in range(2)]
    await owner.enqueue([running])
    (attempt,) = await owner.claim("owner", 1, 60)
    await owner.enqueue([waiting])
    finishing = Transition(attempt.key, State.COMPLETED, AttemptRecord(1), b"made up")
    for role, act in [*FORBIDDEN, ("faas-gateway", lambda storage: storage.finish([finishing]))]:
        storage = await _opened(url_of(server, role))
        with pytest.raises(SettingsError, match="ACL"):
            await asyncio.wait_for(act(storage), 5)
        await storage.close()
    assert [result and result.value for result in await owner.get_results([running.id])] == [b""]
    assert [record and record.state for record in await owner.get_tasks([waiting.id, TASK.id])] == [State.QUEUED, None]
    assert await owner.list_keys() == {}
    assert await owner.get_function(make_function("mine").id) is None
    assert await owner.get_function(TASK.function_id) is not None
    await owner.close()


async def _opened(url: str) -> RedisStorage:
    storage = RedisStorage(url, RedisOptions())
    await storage.open()
    return storage
