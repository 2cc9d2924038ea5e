"""What a worker does that cannot get in: it says why, within seconds."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mpcsfaas.curve import CurveOptions, Keyring
from mpcsfaas.errors import MpcsfaasError, SettingsError
from mpcsfaas.interfaces import StrategyContext, WorkerLink
from mpcsfaas.model import AttemptKey
from mpcsfaas.sockets import ListeningOptions
from mpcsfaas.worker.agent import WorkerAgent
from mpcsfaas.worker.agent_options import AgentOptions
from mpcsfaas_heartbeat.heartbeat import HeartbeatDetector, HeartbeatOptions
from mpcsfaas_pull.dispatcher import PullStrategy
from mpcsfaas_pull.worker import PullLink
from mpcsfaas_push.dispatcher import PushStrategy
from mpcsfaas_push.options import PushOptions
from mpcsfaas_push.worker import PushLink


@pytest.fixture(params=["push", "pull"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@asynccontextmanager
async def listening(
    mode: str, state: Path, plaintext: bool = False, url: str | None = None
) -> AsyncIterator[PushStrategy | PullStrategy]:
    given: dict[str, Any] = {"port": 0, "state_dir": state, "insecure_plaintext": plaintext, "url": url}
    strategy = PushStrategy(PushOptions(**given)) if mode == "push" else PullStrategy(ListeningOptions(**given))

    async def adopt(keys: object) -> list[AttemptKey]:
        return []

    detector = HeartbeatDetector(HeartbeatOptions())
    await strategy.start(StrategyContext("d", (), print, lambda: None, adopt, lambda: detector, print))
    try:
        yield strategy
    finally:
        await strategy.stop()


def agent_for(mode: str, url: str | None, options: CurveOptions) -> WorkerAgent:
    link: type[WorkerLink] = PushLink if mode == "push" else PullLink
    return WorkerAgent(AgentOptions(url=url or "", workers=1), link, options, [])


async def work_until(agent: WorkerAgent, condition: Callable[[], object]) -> None:
    """Let a worker work until something is so, or it ends by itself, which raises why."""
    work = asyncio.create_task(agent.run(lambda: None))
    try:
        async with asyncio.timeout(10):
            while not condition() and not work.done():  # noqa: ASYNC110 - what is waited for tells nobody.
                await asyncio.sleep(0.01)
    finally:
        agent.stop()
        await work


def test_a_worker_of_the_same_user_just_works(mode: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with listening(mode, tmp_path) as strategy:
            agent = agent_for(mode, strategy.worker_url(), CurveOptions(state_dir=tmp_path))
            await work_until(agent, strategy.workers)
            [worker] = strategy.workers()
            assert worker.id == agent.worker_id
            assert worker.id.startswith("local/")

    asyncio.run(scenario())


def test_a_key_that_is_not_admitted(mode: str, tmp_path: Path) -> None:
    """Made for this dispatcher, and revoked since."""
    keyring = Keyring(tmp_path)
    key = keyring.create("gpu-1", tmp_path / "gpu-1.key")
    keyring.revoke("gpu-1")

    async def scenario() -> None:
        async with listening(mode, tmp_path) as strategy:
            agent = agent_for(mode, strategy.worker_url(), CurveOptions(worker_key=tmp_path / "gpu-1.key"))
            with pytest.raises(MpcsfaasError) as raised:
                await work_until(agent, lambda: False)
            text = f"The dispatcher at {strategy.worker_url()} refused our key: 'gpu-1' ({key.public_key}) is not"
            assert str(raised.value).startswith(text)

    asyncio.run(scenario())


def test_a_key_that_is_revoked_meanwhile(mode: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with listening(mode, tmp_path) as strategy:
            agent = agent_for(mode, strategy.worker_url(), CurveOptions(state_dir=tmp_path))
            working = asyncio.create_task(work_until(agent, lambda: False))
            async with asyncio.timeout(10):
                while not strategy.workers():  # noqa: ASYNC110 - what is waited for tells nobody.
                    await asyncio.sleep(0.01)
            Keyring(tmp_path).revoke("local")
            with pytest.raises(MpcsfaasError, match=r"key is no longer admitted|refused our key"):
                await working

    asyncio.run(scenario())


def test_the_key_of_another_dispatcher(mode: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It goes on trying, as a dispatcher that ends breaks off, too; but not silently."""
    other = Keyring(tmp_path / "other").own_key()

    async def scenario() -> None:
        async with listening(mode, tmp_path / "state") as strategy:
            agent = agent_for(mode, strategy.worker_url(), CurveOptions(state_dir=tmp_path / "other"))
            await work_until(agent, lambda: "It may be another dispatcher" in caplog.text)
            assert not strategy.workers()

    asyncio.run(scenario())
    assert f"the one whose public key is {other.dispatcher_key}" in caplog.text
    assert "worker-keys show-server" in caplog.text


def test_plain_text_where_a_key_is_demanded(mode: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with listening(mode, tmp_path) as strategy:
            agent = agent_for(mode, strategy.worker_url(), CurveOptions(insecure_plaintext=True))
            with pytest.raises(MpcsfaasError, match=r"demands a key. Start the worker without --insecure-plaintext."):
                await work_until(agent, lambda: False)
            assert not strategy.workers()

    asyncio.run(scenario())


def test_a_key_where_there_is_none(mode: str, tmp_path: Path) -> None:
    """A dispatcher in plain text could be anybody's."""

    async def scenario() -> None:
        async with listening(mode, tmp_path, plaintext=True) as strategy:
            agent = agent_for(mode, strategy.worker_url(), CurveOptions(state_dir=tmp_path))
            with pytest.raises(MpcsfaasError, match="is no dispatcher with a key"):
                await work_until(agent, lambda: False)
            assert not strategy.workers()

    asyncio.run(scenario())


def test_plain_text_works_where_both_say_so_and_is_told(
    mode: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with listening(mode, tmp_path, plaintext=True) as strategy:
            agent = agent_for(mode, strategy.worker_url(), CurveOptions(insecure_plaintext=True))
            await work_until(agent, strategy.workers)
            assert strategy.workers()

    asyncio.run(scenario())
    assert caplog.text.count("No keys are used at tcp://") == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("content", "error"), [(None, "No such file"), ("?", "is no key file")])
def test_a_key_file_that_cannot_be_used(mode: str, tmp_path: Path, content: str | None, error: str) -> None:
    path = tmp_path / "worker.key"
    if content:
        path.touch(mode=0o600)
        path.write_text(content)
    with pytest.raises(SettingsError, match=error):
        agent_for(mode, "tcp://127.0.0.1:5555", CurveOptions(worker_key=path))


@pytest.mark.parametrize("url", ["ipc://@abstract", "ipc://*"])
def test_a_socket_without_a_file_is_refused(mode: str, url: str) -> None:
    """Nothing would keep out other users of the machine."""
    with pytest.raises(SettingsError, match="names no file"):
        agent_for(mode, url, CurveOptions())
    with pytest.raises(SettingsError, match="names no file"):
        PushStrategy(PushOptions(url=url))


def test_a_socket_file_is_for_its_owner_alone(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "made" / "workers"

    async def scenario() -> None:
        async with listening(mode, tmp_path, url=f"ipc://{path}"):
            assert [place.stat().st_mode & 0o777 for place in (path.parent, path)] == [0o700, 0o600]

    before = os.umask(0)
    try:
        asyncio.run(scenario())
    finally:
        os.umask(before)
