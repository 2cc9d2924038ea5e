"""A worker whose dispatcher says what no dispatcher would, and then gives it work."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import chain
from pathlib import Path

import pytest
import zmq
import zmq.asyncio

from mpcsfaas import wire
from mpcsfaas.errors import MpcsfaasError
from mpcsfaas.interfaces import PluginOptions, WorkerLink
from mpcsfaas.model import Function
from mpcsfaas.testing.frames import FROM_DISPATCHER, count_invalid, damaged_messages
from mpcsfaas.worker.agent import WorkerAgent
from mpcsfaas.worker.agent_options import AgentOptions
from mpcsfaas_pull.worker import PullLink
from mpcsfaas_push.worker import PushLink
from mpcsfaas_serializers.dill import DillSerializer

FRAMES = 100_000
ANSWERS = 20
"""Over which the frames are spread, so that each of a worker's sockets gets some."""
DILL = DillSerializer()
WORK = [
    wire.encode(wire.Welcome(wire.VERSION, 1.0, "dispatcher", sequence=2_000_000)),
    wire.encode(wire.Functions((Function("f", "abs", DILL.dumps(abs), "dill", 0.0),))),
    wire.encode(wire.Jobs(2_000_001, (wire.Job("t", 1, "f", DILL.dumps_call((-4,), {}), "dill"),))),
]


class Rogue:
    """Answers whatever a worker says. An answer ends with a welcome, so that the worker says something at once."""

    def __init__(self, socket: zmq.asyncio.Socket) -> None:
        self._socket = socket

    async def say(self, frames: list[bytes]) -> list[wire.FromWorker]:
        """What a worker says next, which is answered with these frames."""
        async with asyncio.timeout(30):
            route, *said = await self._socket.recv_multipart()
        envelope = [route, b""] if b"" in said else [route]
        await self._socket.send_multipart([*envelope, *frames])
        return [wire.decode_from_worker(frame) for frame in said if frame]


@asynccontextmanager
async def rogue_at(url: str) -> AsyncIterator[Rogue]:
    with zmq.asyncio.Context() as context, context.socket(zmq.ROUTER) as socket:
        socket.linger = 0
        socket.bind(url)
        yield Rogue(socket)


@asynccontextmanager
async def running(agent: WorkerAgent) -> AsyncIterator[None]:
    started = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(agent.run(started.set))
        await started.wait()
        try:
            yield
        finally:
            agent.stop()


async def work(rogue: Rogue) -> bytes:
    """The value that a worker hands in."""
    while True:
        for message in await rogue.say(WORK):
            if isinstance(message, wire.Results):
                return message.results[0].value


async def meet(agent: WorkerAgent, url: str) -> tuple[int, bytes]:
    """Say 100,000 frames, then give work: how many of them were invalid, and the value of the work."""
    frames = list(chain.from_iterable(damaged_messages(FROM_DISPATCHER, FRAMES, seed=7)))
    async with rogue_at(url) as rogue, running(agent):
        for start in range(0, FRAMES, FRAMES // ANSWERS):
            await rogue.say([*frames[start : start + FRAMES // ANSWERS], WORK[0]])
        return count_invalid(frames, wire.decode_from_dispatcher), await work(rogue)


@pytest.mark.parametrize("link", [PushLink, PullLink])
def test_bad_frames_are_counted_and_work_goes_on(link: type[WorkerLink], tmp_path: Path) -> None:
    url = f"ipc://{tmp_path}/rogue"
    agent = WorkerAgent(AgentOptions(url=url, workers=1), link, PluginOptions(), [DILL])
    invalid, value = asyncio.run(meet(agent, url))
    assert FRAMES * 0.8 < invalid < FRAMES
    assert agent.malformed == invalid
    assert DILL.loads(value) == 4


@pytest.mark.parametrize("link", [PushLink, PullLink])
def test_a_defect_ends_a_worker_loudly(
    link: type[WorkerLink], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """If it went on, it would beat for ever and hold attempts that it never began."""

    def submit(*_: object) -> None:
        raise RuntimeError("out of luck")

    url = f"ipc://{tmp_path}/rogue"
    agent = WorkerAgent(AgentOptions(url=url, workers=1), link, PluginOptions(), [DILL])
    monkeypatch.setattr(agent._pool, "submit", submit)

    async def scenario() -> None:
        async with rogue_at(url) as rogue, asyncio.timeout(30):
            running = asyncio.create_task(agent.run(lambda: None))
            await rogue.say(WORK)
            await running

    with pytest.raises(MpcsfaasError, match=r"out of luck.*Start it again"):
        asyncio.run(scenario())
    assert "out of luck" in caplog.text
