"""Code that was written for the standard library's executors: it does the same with ours, by one line changed.

Each behaviour is asked of `ThreadPoolExecutor` too, which says whether the test is right.
"""

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent import futures
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mpcsfaas.client import Client, Executor
from mpcsfaas.testing.platform import PlatformProcess, wait_until

Make = Callable[[], futures.Executor]

SHORT = 0.02


class Sized:
    """Something that can be weakly referenced."""


def make_sized() -> Sized:
    return Sized()


def reciprocal(number: float) -> float:
    return 1 / number


def wait_for(path: str) -> str:
    """Runs until a file is there: on a worker, too, for that is on this machine."""
    while not os.path.exists(path):
        time.sleep(0.01)
    return path


@pytest.fixture(params=["standard", "ours"])
def make(request: pytest.FixtureRequest) -> Make:
    if request.param == "standard":
        return lambda: ThreadPoolExecutor(2)
    client: Client = request.getfixturevalue("client")
    return lambda: Executor(client)


@pytest.fixture
def executor(make: Make) -> Iterator[futures.Executor]:
    with make() as executor:
        yield executor


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Path]:
    """A file that calls of `wait_for` wait for; made in the end at the latest."""
    yield tmp_path / "gate"
    (tmp_path / "gate").touch()


# Submitting and mapping


def test_map_submits_at_once_and_keeps_order(executor: futures.Executor, tmp_path: Path) -> None:
    executor.map(os.mkdir, [str(tmp_path / name) for name in "abc"])  # Nobody asks for the results.
    wait_until(lambda: {path.name for path in tmp_path.iterdir()} == set("abc"), what="the folders")
    assert list(executor.map(time.sleep, [SHORT, 0])) == [None, None]
    assert list(executor.map(divmod, range(5), [3, 3, 3])) == [(0, 0), (0, 1), (0, 2)]


def test_map_gives_what_precedes_an_exception(executor: futures.Executor) -> None:
    results = executor.map(reciprocal, [1, 2, 0, 4])
    assert [next(results), next(results)] == [1, 0.5]
    with pytest.raises(ZeroDivisionError):
        next(results)
    with pytest.raises(StopIteration):
        next(results)


@pytest.mark.parametrize("timeout", [0, SHORT])
def test_map_gives_up_after_a_timeout(executor: futures.Executor, gate: Path, timeout: float) -> None:
    with pytest.raises(TimeoutError):
        list(executor.map(wait_for, [str(gate)], timeout=timeout))


def test_exceptions_are_themselves(executor: futures.Executor) -> None:
    future = executor.submit(reciprocal, 0)
    with pytest.raises(ZeroDivisionError, match="division by zero") as caught:
        future.result(30)
    assert future.exception() is caught.value
    assert executor.submit(reciprocal, 1).exception(30) is None


def test_wrong_arguments_fail_the_call(executor: futures.Executor) -> None:
    call: Any = reciprocal
    assert isinstance(executor.submit(call, 1, 2).exception(30), TypeError)
    with pytest.raises(TypeError):
        executor.submit()  # type: ignore[call-arg]


def test_results_are_not_kept(executor: futures.Executor) -> None:
    future = executor.submit(make_sized)
    kept = weakref.ref(future.result(30))
    del future

    def is_gone() -> bool:
        gc.collect()
        return kept() is None

    wait_until(is_gone, what="the result being freed")


# Futures


def test_a_result_that_is_not_there_yet(executor: futures.Executor, gate: Path) -> None:
    future = executor.submit(wait_for, str(gate))
    for ask in (future.result, future.exception):
        with pytest.raises(TimeoutError):
            ask(timeout=0)
    assert not future.done()
    gate.touch()
    assert future.result(timeout=30) == str(gate)
    assert future.done()
    assert not future.cancelled()
    assert not future.cancel()


def test_what_waits_can_be_cancelled(executor: futures.Executor, gate: Path) -> None:
    waiting = [executor.submit(wait_for, str(gate)) for _ in range(8)][-1]
    assert waiting.cancel()
    assert waiting.cancelled()
    assert waiting.done()
    for ask in (waiting.result, waiting.exception):
        with pytest.raises(CancelledError):
            ask(timeout=0)


def test_callbacks_run_in_order_and_once(executor: futures.Executor, gate: Path) -> None:
    seen: list[Any] = []
    future = executor.submit(wait_for, str(gate))
    for name in "abc":
        future.add_done_callback(lambda future, name=name: seen.append((name, future)))  # type: ignore[misc]
    gate.touch()
    future.result(30)
    wait_until(lambda: len(seen) == 3, what="the callbacks")
    assert seen == [(name, future) for name in "abc"]


def test_a_cancelled_future_calls_back(executor: futures.Executor, gate: Path) -> None:
    seen: list[Future[str]] = []
    waiting = [executor.submit(wait_for, str(gate)) for _ in range(8)][-1]
    waiting.add_done_callback(seen.append)
    waiting.cancel()
    assert seen == [waiting]


def test_another_thread_may_wait(executor: futures.Executor, gate: Path) -> None:
    future = executor.submit(wait_for, str(gate))
    got: list[str] = []
    thread = threading.Thread(target=lambda: got.append(future.result(30)))
    thread.start()
    gate.touch()
    thread.join(30)
    assert got == [str(gate)]


# wait and as_completed


def test_waiting_for_the_first(executor: futures.Executor, gate: Path) -> None:
    slow, quick = executor.submit(wait_for, str(gate)), executor.submit(str, 1)
    assert futures.wait([slow, quick], 30, futures.FIRST_COMPLETED) == ({quick}, {slow})
    assert futures.wait([slow, quick], 30, futures.FIRST_COMPLETED) == ({quick}, {slow}), "it has ended already"


def test_waiting_for_the_first_exception(executor: futures.Executor, gate: Path) -> None:
    slow: Future[Any] = executor.submit(wait_for, str(gate))
    good: Future[Any] = executor.submit(reciprocal, 1)
    good.result(30)
    bad: Future[Any] = executor.submit(reciprocal, 0)
    assert futures.wait([slow, good, bad], 30, futures.FIRST_EXCEPTION) == ({good, bad}, {slow})
    assert futures.wait([slow, bad], 30, futures.FIRST_EXCEPTION) == ({bad}, {slow})


def test_waiting_for_all(executor: futures.Executor, gate: Path) -> None:
    slow: Future[Any] = executor.submit(wait_for, str(gate))
    bad: Future[Any] = executor.submit(reciprocal, 0)
    bad.exception(30)
    assert futures.wait([slow, bad], SHORT) == ({bad}, {slow})
    gate.touch()
    assert futures.wait([slow, slow, bad], 30) == ({slow, bad}, set()), "twice is as good as once"


def test_as_completed(executor: futures.Executor, gate: Path) -> None:
    slow: Future[Any] = executor.submit(wait_for, str(gate))
    quick: Future[Any] = executor.submit(str, 1)
    ended = futures.as_completed([slow, quick, quick], 30)
    assert next(ended) is quick
    gate.touch()
    assert list(ended) == [slow]


@pytest.mark.parametrize("timeout", [0, SHORT])
def test_as_completed_gives_up(executor: futures.Executor, gate: Path, timeout: float) -> None:
    quick: Future[Any] = executor.submit(str, 1)
    slow: Future[Any] = executor.submit(wait_for, str(gate))
    quick.result(30)
    ended = futures.as_completed([slow, quick], timeout)
    assert next(ended) is quick
    with pytest.raises(TimeoutError, match=r"1 \(of 2\) futures unfinished"):
        next(ended)


# Shutting down


def test_after_a_shutdown_nothing_is_taken(make: Make) -> None:
    executor = make()
    executor.shutdown()
    executor.shutdown()
    for call in (lambda: executor.submit(str, 1), lambda: executor.map(str, [1])):
        with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
            call()


def test_a_shutdown_without_waiting_sees_to_what_is_there(make: Make, gate: Path) -> None:
    executor = make()
    future = executor.submit(wait_for, str(gate))
    executor.shutdown(wait=False)
    assert not future.done()
    gate.touch()
    assert future.result(30) == str(gate)


def test_a_shutdown_may_cancel_what_waits(make: Make, gate: Path) -> None:
    executor = make()
    pending = [executor.submit(wait_for, str(gate)) for _ in range(20)]
    executor.shutdown(wait=False, cancel_futures=True)
    assert sum(future.cancelled() for future in pending) >= 18
    gate.touch()
    executor.shutdown(wait=True)
    assert all(future.done() for future in pending)


def test_a_with_block_waits(make: Make) -> None:
    with make() as executor:
        pending = [executor.submit(time.sleep, SHORT) for _ in range(4)]
    assert all(future.done() for future in pending)


# asyncio


def test_in_an_event_loop(executor: futures.Executor) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        values = await asyncio.gather(*(loop.run_in_executor(executor, pow, 2, number) for number in range(10)))
        assert values == [2**number for number in range(10)]
        with pytest.raises(ZeroDivisionError):
            await loop.run_in_executor(executor, reciprocal, 0)

    asyncio.run(main())


# What is not in the standard library's


def test_a_future_can_be_awaited(client: Client, gate: Path) -> None:
    async def main() -> None:
        with Executor(client) as executor:
            assert await executor.submit(pow, 2, 5) == 32
            both = await asyncio.gather(*(executor.submit(pow, 2, number) for number in (5, 6)))
            assert list(both) == [32, 64]
            with pytest.raises(ZeroDivisionError):
                await executor.submit(reciprocal, 0)
            waiting = executor.submit(wait_for, str(gate))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.wrap_future(waiting), SHORT)
            assert waiting.cancelled()

    asyncio.run(main())


def test_options_of_single_calls(client: Client) -> None:
    with Executor(client.with_options(priority=1)) as executor:
        urgent = executor.with_options(priority=5, labels=[])
        futures.wait([plain := executor.submit(abs, -1), quick := urgent.submit(abs, -2)], 30)
        assert [client.task(future.task_id).options.priority for future in (plain, quick)] == [1, 5]
        assert client.task(quick.task_id).options.group == executor.group
        with pytest.raises(TypeError, match="timeuot"):
            executor.with_options(timeuot=5)  # type: ignore[call-arg]
    with pytest.raises(RuntimeError, match="after shutdown"):
        urgent.submit(abs, -3)


def test_an_executor_lives_as_long_as_one_that_was_made_of_it(client: Client) -> None:
    urgent = Executor(client).with_options(priority=5)
    gc.collect()
    assert urgent.submit(abs, -1).result(30) == 1


def test_chunks_have_the_options_of_their_function(client: Client) -> None:
    function = client.function(priority=7)(reciprocal)
    with Executor(client) as executor:
        assert list(executor.map(function, [1, 2], chunksize=2)) == [1, 0.5]
    assert [record.options.priority for record in client.tasks(group=executor.group)] == [7]


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        ({"max_workers": 4}, "mpcsfaas up --workers N"),
        ({"initializer": print}, "functools.cache"),
        ({"initargs": (1,)}, "functools.cache"),
        ({"mp_context": None}, "leave it out"),
        ({"thread_name_prefix": "x"}, "leave it out"),
        ({"nonsense": 1}, "It takes client, group and timeout"),
        ({"client": 4}, "mpcsfaas up --workers N"),
    ],
)
def test_arguments_that_there_are_not(arguments: dict[str, Any], advice: str) -> None:
    with pytest.raises(TypeError, match=advice):
        Executor(**arguments)


# Whole programs

PROGRAM = """
import math
import shutil
import sys
import tempfile
from concurrent.futures import as_completed, wait
from pathlib import Path

{line}

PRIMES = [112272535095293, 112582705942171, 115280095190773, 115797848077099]


def is_prime(number):
    if number % 2 == 0:
        return False
    return all(number % divisor for divisor in range(3, min(math.isqrt(number), 2000) + 1, 2))


def count_words(path, least):
    return sum(len(word) >= least for word in Path(path).read_text().split())


def primes(folder):
    with Pool() as executor:
        for number, prime in zip(PRIMES, executor.map(is_prime, PRIMES)):
            print(number, prime)


def pages(folder):
    paths = [folder / name for name in ("one", "two", "missing")]
    paths[0].write_text("a few words")
    paths[1].write_text("more words than that")
    counted = {{}}
    with Pool() as executor:
        of_path = {{executor.submit(count_words, str(path), least=4): path for path in paths}}
        for future in as_completed(of_path):
            try:
                counted[of_path[future].name] = future.result()
            except OSError as error:
                counted[of_path[future].name] = type(error).__name__, type(error.__cause__).__name__.lstrip("_")
    print(sorted(counted.items()))


def copies(folder):
    with Pool() as executor:
        pending = [executor.submit(shutil.copy, folder / "one", folder / f"copy-{{n}}") for n in range(4)]
        done, not_done = wait(pending)
    print(len(done), len(not_done), sorted(path.name for path in folder.glob("copy-*")))


def forgotten(folder):
    executor = Pool()
    print(executor.submit(pow, 323, 1235).result() % 1000)
    globals()["kept"] = executor, executor.submit(sorted, [3, 1, 2])  # and nobody shuts it down


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        for part in sys.argv[1:]:
            {{"primes": primes, "pages": pages, "copies": copies, "forgotten": forgotten}}[part](Path(name))
"""


STANDARD_LINE = "from concurrent.futures import ProcessPoolExecutor as Pool"
OUR_LINE = "from mpcsfaas import Executor as Pool"


def output_of(line: str, folder: Path, *parts: str, **environment: str) -> str:
    script = folder / "program.py"
    script.write_text(PROGRAM.format(line=line))
    variables = {name: value for name, value in os.environ.items() if name != "MPCSFAAS_URL"}
    done = subprocess.run(
        [sys.executable, str(script), *parts], env=variables | {"XDG_STATE_HOME": str(folder)} | environment,
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_program_with_one_line_changed_over_http(platform: PlatformProcess, tmp_path: Path) -> None:
    parts = ("primes", "pages", "copies", "forgotten")
    ours = output_of(OUR_LINE, tmp_path, *parts, MPCSFAAS_URL=platform.url)
    assert ours == output_of(STANDARD_LINE, tmp_path, *parts)
    assert "('missing', ('FileNotFoundError', 'RemoteTraceback'))" in ours


@pytest.mark.parametrize("part", ["pages", "forgotten"])
def test_a_program_with_one_line_changed_on_a_platform_of_its_own(tmp_path: Path, part: str) -> None:
    assert output_of(OUR_LINE, tmp_path, part) == output_of(STANDARD_LINE, tmp_path, part)
