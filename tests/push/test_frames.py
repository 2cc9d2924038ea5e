"""What the ROUTER does with frames that no worker would send, and with workers that are not well."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import wraps

import pytest
import zmq
import zmq.asyncio

from mpcsfaas import wire
from mpcsfaas.errors import MpcsfaasError, SettingsError
from mpcsfaas.interfaces import Assignment, PluginOptions, StrategyContext
from mpcsfaas.model import Attempt, AttemptKey, AttemptResult, FailureKind, Function, Task, TaskOptions
from mpcsfaas.testing.frames import FROM_WORKER, count_invalid, damaged_messages
from mpcsfaas_heartbeat.heartbeat import HeartbeatDetector, HeartbeatOptions
from mpcsfaas_push.dispatcher import PushStrategy
from mpcsfaas_push.options import PushOptions
from mpcsfaas_push.worker import PushLink

FRAMES = 100_000
HELLO = wire.Hello("w", "host", 1, slots=2, window=2, labels=("well",))


def in_loop(test: Callable[..., Coroutine[None, None, None]]) -> Callable[..., None]:
    @wraps(test)
    def run(*arguments: object, **keywords: object) -> None:
        asyncio.run(test(*arguments, **keywords))

    return run


class Scene:
    """A strategy that listens, and what it reported."""

    def __init__(self, strategy: PushStrategy) -> None:
        self.strategy = strategy
        self.reported: list[AttemptResult] = []

    @property
    def url(self) -> str:
        url = self.strategy.worker_url()
        assert url is not None
        return url

    async def start(self) -> None:
        detector = HeartbeatDetector(HeartbeatOptions())
        context = StrategyContext("d", (), self.reported.extend, lambda: None, self._adopt, lambda: detector, print)
        await self.strategy.start(context)

    async def _adopt(self, keys: Sequence[AttemptKey]) -> Collection[AttemptKey]:
        return ()


@asynccontextmanager
async def listening() -> AsyncIterator[Scene]:
    scene = Scene(PushStrategy(PushOptions(port=0, insecure_plaintext=True)))
    await scene.start()
    try:
        yield scene
    finally:
        await scene.strategy.stop()


@asynccontextmanager
async def dealer(url: str) -> AsyncIterator[zmq.asyncio.Socket]:
    with zmq.asyncio.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.linger = 0
        socket.connect(url)
        yield socket


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody.
            await asyncio.sleep(0.005)


async def heard(socket: zmq.asyncio.Socket) -> list[wire.FromDispatcher]:
    async with asyncio.timeout(10):
        return [wire.decode_from_dispatcher(frame) for frame in await socket.recv_multipart()]


async def say(socket: zmq.asyncio.Socket, *messages: wire.FromWorker) -> None:
    await socket.send_multipart([wire.encode(message) for message in messages])


def assignment(name: str, payload: bytes = b"payload") -> Assignment:
    task = Task(name, "f", payload, "json", 0.0, TaskOptions(labels=HELLO.labels))
    return Assignment(Attempt(task, 1, 0.0), Function("f", "f", b"body", "json", 0.0), None)


async def work(scene: Scene) -> None:
    """One task, from `hello` to `settled`."""
    async with dealer(scene.url) as socket:
        await say(socket, HELLO)
        [welcome] = await heard(socket)
        assert isinstance(welcome, wire.Welcome)
        scene.strategy.dispatch([assignment("t")])
        functions, jobs = await heard(socket)
        assert isinstance(functions, wire.Functions)
        assert isinstance(jobs, wire.Jobs)
        assert [job.key for job in jobs.jobs] == [AttemptKey("t", 1)]
        await say(socket, wire.Results("w", (AttemptResult("t", 1, value=b"done", worker="w"),)))
        await until(lambda: scene.reported)
        assert [result.value for result in scene.reported] == [b"done"]
        scene.strategy.settled([AttemptKey("t", 1)])
        assert await heard(socket) == [wire.Settled((AttemptKey("t", 1),))]


@in_loop
async def test_bad_frames_are_counted_and_work_goes_on() -> None:
    """Flipped ones that are still valid are strangers' words; the task's label keeps it from workers that they make."""
    sent = list(damaged_messages(FROM_WORKER, FRAMES, seed=7))
    invalid = sum(count_invalid(frames, wire.decode_from_worker) for frames in sent)
    assert FRAMES * 0.8 < invalid < FRAMES
    async with listening() as scene:
        async with dealer(scene.url) as socket:
            for frames in sent:
                await socket.send_multipart(frames)
            await until(lambda: scene.strategy.malformed == invalid)
        await work(scene)
        assert scene.strategy.malformed == invalid


@in_loop
async def test_what_is_good_in_a_message_of_bad_frames_counts() -> None:
    async with listening() as scene, dealer(scene.url) as socket:
        await socket.send_multipart([b"no message", wire.encode(HELLO), b"none either"])
        [welcome] = await heard(socket)
        assert isinstance(welcome, wire.Welcome)
        assert scene.strategy.malformed == 2


@in_loop
async def test_what_is_said_in_one_turn_is_one_message() -> None:
    async with listening() as scene, dealer(scene.url) as socket:
        await say(socket, HELLO)
        await heard(socket)
        scene.strategy.dispatch([assignment("a")])
        scene.strategy.dispatch([assignment("b")])
        kinds = [type(message) for message in await heard(socket)]
        assert kinds == [wire.Functions, wire.Jobs, wire.Jobs]


@in_loop
async def test_whoever_is_not_known_is_told() -> None:
    async with listening() as scene, dealer(scene.url) as socket:
        await say(socket, wire.Beat("w", 0, 2))
        assert await heard(socket) == [wire.Unknown()]


@in_loop
async def test_an_order_that_was_not_received_is_said_again() -> None:
    async with listening() as scene:
        async with dealer(scene.url) as socket:
            await say(socket, HELLO)
            await heard(socket)
            scene.strategy.dispatch([assignment("a")])
            _, first = await heard(socket)
        async with dealer(scene.url) as socket:
            again: list[wire.FromDispatcher] = []
            async with asyncio.timeout(20):
                while not again:
                    await say(socket, wire.Beat("w", 0, 2))
                    again = [wire.decode_from_dispatcher(one) for one in await received(socket)]
        assert again == [first]


async def received(socket: zmq.asyncio.Socket) -> list[bytes]:
    """A message, if one comes soon."""
    return await socket.recv_multipart() if await socket.poll(200) else []


@in_loop
async def test_what_no_frame_can_hold_fails_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mpcsfaas.scheduling.scheduler.MAX_FRAME", 20_000)
    async with listening() as scene, dealer(scene.url) as socket:
        await say(socket, HELLO)
        await heard(socket)
        scene.strategy.dispatch([assignment("large", b"x" * 15_000), assignment("small")])
        [failed] = scene.reported
        assert failed.failure is not None
        assert (failed.task_id, failed.failure.kind) == ("large", FailureKind.INVALID_PAYLOAD)
        [job] = [job for message in await heard(socket) if isinstance(message, wire.Jobs) for job in message.jobs]
        assert job.task_id == "small"


@pytest.mark.parametrize("url", ["?", "tcp://", "tcp://127.0.0.1", "udp://h:1", "tcp://:1", "tcp://h:65536", "h:5555"])
def test_an_address_that_cannot_be_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="tcp://HOST:PORT or ipc://PATH"):
        PushStrategy(PushOptions(url=url))


@in_loop
async def test_an_address_that_is_taken_is_refused() -> None:
    async with listening() as scene:
        with pytest.raises(MpcsfaasError, match="Choose another address or port"):
            await Scene(PushStrategy(PushOptions(url=scene.url, insecure_plaintext=True))).start()


class Mute:
    """An agent with one thing to say."""

    worker_id = "w"

    def __init__(self) -> None:
        self.unsaid = [[b"a", b"b"]]
        self.got: list[bytes] = []

    def outgoing(self) -> list[bytes]:
        return self.unsaid.pop() if self.unsaid else []

    def fetch(self, wait: float) -> bytes | None:
        return None

    def receive(self, frames: Sequence[bytes | memoryview]) -> None:
        self.got += map(bytes, frames)


@in_loop
async def test_a_link_takes_nothing_from_its_agent_until_there_is_a_dispatcher(tmp_path: object) -> None:
    agent = Mute()
    link = PushLink(f"ipc://{tmp_path}/later", PluginOptions(), agent)
    await link.start()
    link.wake()
    await asyncio.sleep(0.05)
    assert agent.unsaid
    with zmq.asyncio.Context() as context, context.socket(zmq.ROUTER) as socket:
        socket.bind(f"ipc://{tmp_path}/later")
        async with asyncio.timeout(10):
            route, *frames = await socket.recv_multipart()
        assert frames == [b"a", b"b"]
        await socket.send_multipart([route, b"c"])
        await until(lambda: agent.got == [b"c"])
    await link.stop()
