"""What the dispatcher does with requests that no worker would make."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import wraps

import pytest
import zmq
import zmq.asyncio

from mpcsfaas import wire
from mpcsfaas.errors import MpcsfaasError, SettingsError
from mpcsfaas.interfaces import Assignment, StrategyContext
from mpcsfaas.model import Attempt, AttemptKey, AttemptResult, Function, Task, TaskOptions
from mpcsfaas.sockets import ListeningOptions
from mpcsfaas.testing.frames import FROM_WORKER, count_invalid, damaged_messages
from mpcsfaas_heartbeat.heartbeat import HeartbeatDetector, HeartbeatOptions
from mpcsfaas_pull.dispatcher import PullStrategy

FRAMES = 100_000
KEY = AttemptKey("t", 1)
HELLO = wire.Hello("w", "host", 1, slots=2, window=2, labels=("well",))


def in_loop(test: Callable[[], Coroutine[None, None, None]]) -> Callable[[], None]:
    @wraps(test)
    def run() -> None:
        asyncio.run(test())

    return run


async def _adopt_nothing(keys: Sequence[AttemptKey]) -> Collection[AttemptKey]:
    return ()


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[PullStrategy, list[AttemptResult], str]]:
    reported: list[AttemptResult] = []
    strategy = PullStrategy(ListeningOptions(port=0, insecure_plaintext=True))
    detector = HeartbeatDetector(HeartbeatOptions())
    await strategy.start(
        StrategyContext("d", (), reported.extend, lambda: None, _adopt_nothing, lambda: detector, print)
    )
    url = strategy.worker_url()
    assert url is not None
    try:
        yield strategy, reported, url
    finally:
        await strategy.stop()


@asynccontextmanager
async def connected(kind: int, url: str) -> AsyncIterator[zmq.asyncio.Socket]:
    with zmq.asyncio.Context() as context, context.socket(kind) as socket:
        socket.linger = 0
        socket.connect(url)
        yield socket


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody.
            await asyncio.sleep(0.005)


async def ask(socket: zmq.asyncio.Socket, *messages: wire.FromWorker) -> list[wire.FromDispatcher]:
    await socket.send_multipart([wire.encode(message) for message in messages])
    async with asyncio.timeout(10):
        return [wire.decode_from_dispatcher(frame) for frame in await socket.recv_multipart()]


async def work(strategy: PullStrategy, reported: list[AttemptResult], url: str) -> None:
    """One task, from `hello` to `settled`."""
    function = Function("f", "f", b"body", "json", 0.0)
    attempt = Attempt(Task("t", "f", b"payload", "json", 0.0, TaskOptions(labels=HELLO.labels)), 1, 0.0)
    async with connected(zmq.REQ, url) as report, connected(zmq.REQ, url) as fetch:
        [welcome] = await ask(report, HELLO)
        assert isinstance(welcome, wire.Welcome)
        fetching = asyncio.create_task(ask(fetch, wire.Fetch("w", 2, 9.0)))
        await until(lambda: strategy.capacity())
        strategy.dispatch([Assignment(attempt, function, None)])
        functions, jobs = await fetching
        assert isinstance(functions, wire.Functions)
        assert isinstance(jobs, wire.Jobs)
        assert [job.key for job in jobs.jobs] == [attempt.key]
        await ask(report, wire.Results("w", (AttemptResult("t", 1, value=b"done", worker="w"),)))
        assert [result.value for result in reported] == [b"done"]
        strategy.settled([attempt.key])
        assert await ask(report, wire.Beat("w", 0, 2, jobs.sequence)) == [wire.Settled((attempt.key,))]


@in_loop
async def test_bad_frames_are_counted_and_work_goes_on() -> None:
    """Flipped ones that are still valid are strangers' words; the task's label keeps it from workers that they make."""
    sent = list(damaged_messages(FROM_WORKER, FRAMES, seed=7))
    invalid = sum(count_invalid(frames, wire.decode_from_worker) for frames in sent)
    assert FRAMES * 0.8 < invalid < FRAMES
    async with listening() as (strategy, reported, url):
        async with connected(zmq.DEALER, url) as socket:
            for frames in sent:
                await socket.send_multipart([b"", *frames])
            await until(lambda: strategy.malformed == invalid)
        await work(strategy, reported, url)
        assert strategy.malformed == invalid


@in_loop
async def test_a_request_without_an_envelope_is_counted() -> None:
    async with listening() as (strategy, reported, url):
        async with connected(zmq.DEALER, url) as socket:
            await socket.send_multipart(FROM_WORKER)
            await until(lambda: strategy.malformed == len(FROM_WORKER))
        await work(strategy, reported, url)


@in_loop
async def test_whoever_is_not_understood_is_asked_to_introduce_itself() -> None:
    """So that a worker, which still speaks the version of the dispatcher before, is not left without an answer."""
    async with listening() as (_, _, url), connected(zmq.REQ, url) as socket:
        await socket.send(wire.encode(wire.Beat("w", 0, 2), version=9))
        assert [wire.decode_from_dispatcher(frame) for frame in await socket.recv_multipart()] == [wire.Unknown()]


@in_loop
async def test_a_fetch_that_is_repeated_gets_the_same_attempts_again() -> None:
    attempt = Attempt(Task("t", "f", b"payload", "json", 0.0), 1, 0.0)
    async with listening() as (strategy, _, url), connected(zmq.REQ, url) as report:
        [welcome] = await ask(report, HELLO)
        assert isinstance(welcome, wire.Welcome)
        question = wire.Fetch("w", 1, 9.0, welcome.sequence)
        async with connected(zmq.REQ, url) as lost:
            await lost.send(wire.encode(question))
            await until(lambda: strategy.capacity())
        strategy.dispatch([Assignment(attempt, Function("f", "f", b"body", "json", 0.0), None)])
        assert strategy.capacity() == 0
        async with connected(zmq.REQ, url) as fetch:
            first = [message for message in await ask(fetch, question) if isinstance(message, wire.Jobs)]
            again = [message for message in await ask(fetch, question) if isinstance(message, wire.Jobs)]
        assert first == again
        assert [job.key for message in first for job in message.jobs] == [attempt.key]


async def order_one(strategy: PullStrategy, report: zmq.asyncio.Socket, fetch: zmq.asyncio.Socket) -> int:
    """Attempt 1 of task `t` comes to a worker that has just introduced itself; the number of that order."""
    await ask(report, HELLO)
    fetching = asyncio.create_task(ask(fetch, wire.Fetch("w", 2, 9.0)))
    await until(lambda: strategy.capacity())
    attempt = Attempt(Task("t", "f", b"payload", "json", 0.0), 1, 0.0)
    strategy.dispatch([Assignment(attempt, Function("f", "f", b"body", "json", 0.0), None)])
    [_, jobs] = await fetching
    assert isinstance(jobs, wire.Jobs)
    return jobs.sequence


@in_loop
async def test_a_dispatcher_that_ends_says_which_results_are_safe() -> None:
    """A worker that ends at the same time would wait for that."""
    async with listening() as (strategy, _, url), connected(zmq.REQ, url) as report, connected(zmq.REQ, url) as fetch:
        sequence = await order_one(strategy, report, fetch)
        fetching = asyncio.create_task(ask(fetch, wire.Fetch("w", 2, 9.0, sequence)))
        await ask(report, wire.Results("w", (AttemptResult("t", 1, value=b"done", worker="w"),)))
        await until(lambda: strategy.capacity())
        strategy.settled([KEY])
        await strategy.stop()
        assert await fetching == [wire.Settled((KEY,)), wire.Unknown()]


@in_loop
async def test_a_dispatcher_that_ends_hears_who_has_yet_to_learn_which_results_are_safe() -> None:
    """As a worker does that ends too: it fetches no more, and will report."""
    async with listening() as (strategy, _, url), connected(zmq.REQ, url) as report, connected(zmq.REQ, url) as fetch:
        await order_one(strategy, report, fetch)
        await ask(report, wire.Results("w", (AttemptResult("t", 1, value=b"done", worker="w"),)))
        strategy.settled([KEY])
        stopping = asyncio.create_task(strategy.stop())
        assert await ask(report, wire.Leaving("w"), wire.Beat("w", 0, 0)) == [
            wire.Settled((KEY,)),
            wire.Unknown(),
        ]
        await stopping


@in_loop
async def test_a_fetch_in_vain_is_answered_when_it_wants_to_be() -> None:
    async with listening() as (_, _, url), connected(zmq.REQ, url) as report, connected(zmq.REQ, url) as fetch:
        await ask(report, HELLO)
        assert await ask(fetch, wire.Fetch("w", 2, 0.1)) == [wire.Jobs()]


@pytest.mark.parametrize("url", ["", "tcp://", "tcp://127.0.0.1", "udp://127.0.0.1:1", "127.0.0.1:5555"])
def test_an_address_that_cannot_be_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="tcp://HOST:PORT or ipc://PATH"):
        PullStrategy(ListeningOptions(url=url or "?"))


@in_loop
async def test_an_address_that_is_taken_is_refused() -> None:
    async with listening() as (_, _, url):
        second = PullStrategy(ListeningOptions(url=url, insecure_plaintext=True))
        detector = HeartbeatDetector(HeartbeatOptions())
        context = StrategyContext("d", (), print, lambda: None, _adopt_nothing, lambda: detector, print)
        with pytest.raises(MpcsfaasError, match="Choose another address or port"):
            await second.start(context)
