"""Who gets in at a dispatcher's door, and for whom one can speak there. Peers have bare sockets, as rogues do."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import wraps
from pathlib import Path

import pytest
import zmq
import zmq.asyncio

from mpcsfaas import wire
from mpcsfaas.curve import AllowList, Keyring, WorkerKey
from mpcsfaas.curve.key_files import new_pair
from mpcsfaas.curve.refusals import AT_ONCE
from mpcsfaas.errors import MpcsfaasError
from mpcsfaas.interfaces import Assignment, Rejections, StrategyContext
from mpcsfaas.model import Attempt, AttemptKey, AttemptResult, FailureKind, Function, Task
from mpcsfaas.sockets import HANDSHAKE_MILLISECONDS, ListeningOptions, present
from mpcsfaas_heartbeat.heartbeat import HeartbeatDetector, HeartbeatOptions
from mpcsfaas_pull.dispatcher import PullStrategy
from mpcsfaas_push.dispatcher import PushStrategy
from mpcsfaas_push.options import PushOptions

KEY = AttemptKey("t", 1)
ASSIGNMENT = Assignment(
    Attempt(Task("t", "f", b"payload", "json", 0.0), 1, 0.0), Function("f", "f", b"", "json", 0.0), None
)
SHORT = 0.3
"""Seconds in which a peer that gets in has an answer, and more."""


class Scene:
    """A dispatcher's side that listens on TCP, and what it reported."""

    def __init__(self, strategy: PushStrategy | PullStrategy, keyring: Keyring, folder: Path) -> None:
        self.strategy = strategy
        self.keyring = keyring
        self.envelope = [b""] if strategy.name == "pull" else []
        self.reported: list[AttemptResult] = []
        self._folder = folder

    @property
    def workers(self) -> list[str]:
        return [worker.id for worker in self.strategy.workers()]

    async def start(self) -> None:
        detector = HeartbeatDetector(HeartbeatOptions())
        context = StrategyContext("d", (), self.reported.extend, lambda: None, self._adopt, lambda: detector, print)
        await self.strategy.start(context)

    def new_key(self, name: str) -> WorkerKey:
        self._folder.joinpath(f"{name}.key").unlink(missing_ok=True)
        return self.keyring.create(name, self._folder / f"{name}.key")

    @asynccontextmanager
    async def peer(self, key: WorkerKey | None) -> AsyncIterator["Peer"]:
        url = self.strategy.worker_url()
        assert url
        with zmq.asyncio.Context() as context, context.socket(zmq.DEALER) as socket:
            socket.linger = 0
            if key:
                present(socket, key)
            socket.connect(url)
            yield Peer(socket, self.envelope)

    async def _adopt(self, keys: Sequence[AttemptKey]) -> Collection[AttemptKey]:
        return ()


class Peer:
    """Says what it likes."""

    def __init__(self, socket: zmq.asyncio.Socket, envelope: list[bytes]) -> None:
        self._socket = socket
        self._envelope = envelope

    async def say(self, *messages: wire.FromWorker) -> None:
        await self._socket.send_multipart([*self._envelope, *map(wire.encode, messages)])

    async def hear(self) -> list[wire.FromDispatcher]:
        async with asyncio.timeout(10):
            frames = await self._socket.recv_multipart()
        return [wire.decode_from_dispatcher(frame) for frame in frames if frame]

    async def hears_nothing(self) -> bool:
        return not await self._socket.poll(SHORT * 1000)

    async def register(self, worker_id: str) -> None:
        await self.say(wire.Hello(worker_id, "host", 1, slots=2, window=2))
        await heard_about(self, wire.Welcome)

    async def take(self, scene: Scene, worker_id: str) -> None:
        """Be given the attempt."""
        if scene.envelope:
            await self.say(wire.Fetch(worker_id, 1, 9.0))
            await until(scene.strategy.capacity)
        scene.strategy.dispatch([ASSIGNMENT])
        *_, jobs = await self.hear()
        assert isinstance(jobs, wire.Jobs)


def results(worker_id: str, by: str = "") -> wire.Results:
    return wire.Results(worker_id, (AttemptResult(*KEY, value=b"done", worker=by or worker_id),))


def told(scene: Scene) -> list[bytes | FailureKind]:
    return [result.failure.kind if result.failure else result.value for result in scene.reported]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody.
            await asyncio.sleep(0.005)


@pytest.fixture(params=["push", "pull"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Scene:
    state = tmp_path / "state"
    push, pull = PushOptions(port=0, state_dir=state), ListeningOptions(port=0, state_dir=state)
    strategy = PushStrategy(push) if request.param == "push" else PullStrategy(pull)
    return Scene(strategy, Keyring(state), tmp_path)


def in_loop(test: Callable[[Scene], Coroutine[None, None, None]]) -> Callable[[Scene], None]:
    @wraps(test)
    def run(scene: Scene) -> None:
        defects: list[object] = []

        async def listening() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _, context: defects.append(context))
            await scene.start()
            try:
                await test(scene)
            finally:
                await scene.strategy.stop()

        asyncio.run(listening())
        assert not defects

    return run


@in_loop
async def test_whoever_is_admitted_works_even_if_that_was_after_the_start(scene: Scene) -> None:
    async with scene.peer(scene.new_key("a")) as peer:
        await peer.register("a/1")
        await peer.take(scene, "a/1")
        await peer.say(results("a/1"))
        await until(lambda: told(scene) == [b"done"])


@in_loop
async def test_a_key_that_nobody_admitted_does_not_get_in(scene: Scene) -> None:
    key = WorkerKey("local", *new_pair(), scene.keyring.dispatcher_key().public_key)
    async with scene.peer(key) as peer:
        await peer.say(wire.Hello("local/1", "host", 1, slots=2, window=2))
        assert await peer.hears_nothing()
    assert not scene.workers
    assert scene.strategy.rejections() == Rejections(malformed=0, refused=1)


@in_loop
async def test_a_public_key_without_its_secret_does_not_get_in(scene: Scene) -> None:
    """Public keys are in nobody's way: they may be known."""
    own = scene.keyring.own_key()
    async with scene.peer(WorkerKey("local", own.public_key, new_pair()[1], own.dispatcher_key)) as peer:
        await peer.say(wire.Hello("local/1", "host", 1, slots=2, window=2))
        assert await peer.hears_nothing()
    assert not scene.workers


@in_loop
async def test_nothing_is_said_to_another_dispatcher_than_the_own(scene: Scene) -> None:
    own = scene.keyring.own_key()
    async with scene.peer(WorkerKey("local", own.public_key, own.secret_key, new_pair()[0])) as peer:
        await peer.say(wire.Hello("local/1", "host", 1, slots=2, window=2))
        assert await peer.hears_nothing()
    assert not scene.workers


@in_loop
async def test_plain_text_is_not_heard(scene: Scene) -> None:
    async with scene.peer(None) as peer:
        await peer.say(wire.Hello("local/1", "host", 1, slots=2, window=2))
        assert await peer.hears_nothing()
    assert not scene.workers


def test_without_its_doorkeeper_a_door_is_shut(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Left to itself, libzmq would admit every key."""
    monkeypatch.setattr("mpcsfaas.curve.admission.PLACE", "inproc://elsewhere")

    @in_loop
    async def knock(scene: Scene) -> None:
        async with scene.peer(scene.keyring.own_key()) as peer:
            await peer.say(wire.Hello("local/1", "host", 1, slots=2, window=2))
            assert await peer.hears_nothing()
        assert not scene.workers

    knock(scene)


@in_loop
async def test_nobody_registers_as_another(scene: Scene) -> None:
    async with scene.peer(scene.new_key("a")) as ann, scene.peer(scene.new_key("b")) as bob:
        await ann.register("a/1")
        for stolen in ("a/1", "a/2", "local/1", "b", "bb/1", ""):
            await bob.say(wire.Hello(stolen, "rogue", 2, slots=9, window=9))
        await until(lambda: scene.strategy.rejections() == Rejections(malformed=6, refused=0))
        await bob.register("b/1")
    assert [(worker.id, worker.host) for worker in scene.strategy.workers()] == [("a/1", "host"), ("b/1", "host")]


@in_loop
async def test_nobody_speaks_for_another(scene: Scene) -> None:
    """Not even about an attempt whose key it knows. What it says for itself about that is not wanted."""
    async with scene.peer(scene.new_key("a")) as ann, scene.peer(scene.new_key("b")) as bob:
        await ann.register("a/1")
        await ann.take(scene, "a/1")
        await bob.register("b/1")
        for word in (
            results("a/1"), results("a/1", by="b/1"), results("b/1", by="a/1"),
            wire.Returned("a/1", (KEY,)), wire.Leaving("a/1"), wire.Beat("a/1", 0, 0),
            wire.NeedFunctions("a/1", ("f",)),
        ):  # fmt: skip
            await bob.say(word)
        await until(lambda: scene.strategy.malformed == 7)
        await bob.say(results("b/1"))
        *_, settled = await heard_about(bob, wire.Settled)
        assert settled == wire.Settled((KEY,))
        assert not scene.reported
        await ann.say(results("a/1"))
        await until(lambda: told(scene) == [b"done"])


async def heard_about(peer: Peer, kind: type) -> list[wire.FromDispatcher]:
    """What was heard, up to the first message of a kind."""
    heard: list[wire.FromDispatcher] = []
    while not any(isinstance(message, kind) for message in heard):
        heard += await peer.hear()
    return [message for message in heard if isinstance(message, kind)]


@in_loop
async def test_whoever_is_revoked_goes_at_once(scene: Scene) -> None:
    """What it held is lost, what it says is refused, and nothing is given to it."""
    async with scene.peer(scene.new_key("a")) as ann, scene.peer(scene.new_key("b")) as bob:
        await ann.register("a/1")
        await bob.register("b/1")
        await ann.take(scene, "a/1")
        scene.keyring.revoke("a")
        await until(lambda: scene.workers == ["b/1"])
        assert told(scene) == [FailureKind.WORKER_LOST]
        assert scene.reported[0].failure
        assert "no longer admitted" in scene.reported[0].failure.message
        for word in (results("a/1"), wire.Hello("a/1", "host", 1, slots=2, window=2), wire.Beat("b/1", 0, 2)):
            await ann.say(word)
            [refused] = await heard_about(ann, wire.Refused)
            assert refused == wire.Refused("Its key is no longer admitted.")
        assert (len(scene.reported), scene.workers, scene.strategy.malformed) == (1, ["b/1"], 0)


@in_loop
async def test_a_new_key_of_the_same_name_does_not_bring_back_the_old_one(scene: Scene) -> None:
    async with scene.peer(scene.new_key("a")) as thief:
        await thief.register("a/1")
        scene.keyring.revoke("a")
        async with scene.peer(scene.new_key("a")) as ann:
            await ann.register("a/2")
            await until(lambda: scene.workers == ["a/2"])
            await thief.say(wire.Hello("a/2", "host", 1, slots=2, window=2))
            [refused] = await heard_about(thief, wire.Refused)
            assert isinstance(refused, wire.Refused)
            assert scene.workers == ["a/2"]


def test_a_dispatcher_whose_keys_are_open_to_others_does_not_start(scene: Scene) -> None:
    scene.keyring.dispatcher_key()
    scene.keyring.dispatcher_file.chmod(0o644)
    with pytest.raises(MpcsfaasError, match="chmod 600"):
        asyncio.run(scene.start())


@asynccontextmanager
async def knocking(scene: Scene, number: int) -> AsyncIterator[None]:
    """So many peers with keys that nobody knows."""
    server, url = scene.keyring.dispatcher_key().public_key, scene.strategy.worker_url()
    assert url
    sockets = []
    with zmq.Context() as context:
        for _ in range(number):
            sockets.append(peer := context.socket(zmq.DEALER))
            peer.linger = 0
            present(peer, WorkerKey("rogue", *new_pair(), server))
            peer.connect(url)
        try:
            yield
        finally:
            for peer in sockets:
                peer.close()


def refused(scene: Scene) -> int:
    return scene.strategy.rejections().refused


def test_a_thousand_who_knock_in_vain_hold_up_nobody_who_may_come_in(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """From the same address. They cost few looks at the list, and one line of the log."""
    looks = 0
    look = AllowList.look

    def counted_look(allow_list: AllowList) -> None:
        nonlocal looks
        looks += 1
        look(allow_list)

    monkeypatch.setattr(AllowList, "look", counted_look)

    @in_loop
    async def run(scene: Scene) -> None:
        key = scene.new_key("a")
        async with knocking(scene, 500):
            await until(lambda: refused(scene) >= AT_ONCE)
            async with knocking(scene, 500), scene.peer(key) as peer:
                await peer.register("a/1")
                await peer.take(scene, "a/1")
                await peer.say(results("a/1"))
                await until(lambda: told(scene) == [b"done"])
                await until(lambda: refused(scene) == 1000)

    run(scene)
    assert looks < 200
    assert len([record for record in caplog.records if "Refused a worker" in record.getMessage()]) == 1


@in_loop
async def test_a_new_key_gets_in_from_an_address_that_was_refused_often(scene: Scene) -> None:
    async with knocking(scene, 2 * AT_ONCE):
        await until(lambda: refused(scene) == 2 * AT_ONCE)
    async with scene.peer(scene.new_key("a")) as peer:
        await peer.register("a/1")
    assert scene.workers == ["a/1"]


def test_whoever_does_not_say_who_it_is_is_disconnected(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mpcsfaas.sockets.HANDSHAKE_MILLISECONDS", 100)

    @in_loop
    async def run(scene: Scene) -> None:
        url = scene.strategy.worker_url()
        assert url
        reader, writer = await asyncio.open_connection(*url.removeprefix("tcp://").split(":"))
        async with asyncio.timeout(10):
            greeting = await reader.read()
        assert greeting
        writer.close()
        await writer.wait_closed()

    run(scene)


@in_loop
async def test_a_frame_over_the_limit_ends_a_connection_that_is_nobodys_yet(scene: Scene) -> None:
    """Long before a handshake has to be done, and before anything of it is read."""
    url = scene.strategy.worker_url()
    assert url
    reader, writer = await asyncio.open_connection(*url.removeprefix("tcp://").split(":"))
    signature, mechanism = b"\xff" + 8 * b"\0" + b"\x7f\x03\x01", b"CURVE".ljust(20, b"\0")
    long_command = b"\x06" + (wire.MAX_FRAME + 1).to_bytes(8, "big")
    writer.write(signature + mechanism + 32 * b"\0" + long_command)
    async with asyncio.timeout(HANDSHAKE_MILLISECONDS / 2000):
        await reader.read()
    writer.close()
    await writer.wait_closed()
