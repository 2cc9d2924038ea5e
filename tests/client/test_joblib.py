"""joblib on a platform: what `Parallel` promises, and what is ours."""

import gc
import math
import multiprocessing
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from joblib import Parallel, delayed, effective_n_jobs, parallel_config

from mpcsfaas.client import Client, errors, joblib_backend
from mpcsfaas.client.joblib_backend import MpcsfaasBackend
from mpcsfaas.model import State
from mpcsfaas.testing.fake_gateway import FakeGateway, problem
from mpcsfaas.testing.platform import PlatformProcess, wait_until

LONG = 3600


@pytest.fixture
def configured(client: Client) -> Iterator[Client]:
    """Whatever joblib does, it does by this client."""
    grouped = client.with_options(group=f"joblib-{uuid4()}")
    joblib_backend.register(grouped)
    with parallel_config("mpcsfaas"):
        yield grouped


def square(number: int) -> int:
    return number**2


def fail_on(number: int, bad: int) -> int:
    if number == bad:
        raise KeyError(number)
    return number


def process_id(_: int) -> int:
    return os.getpid()


def nested(count: int) -> tuple[str, list[int]]:
    """What a task of ours finds when it calls joblib itself."""
    with Parallel(n_jobs=2) as parallel:
        return type(parallel._backend).__name__, parallel(delayed(square)(number) for number in range(count))


def unfinished(client: Client) -> list[str]:
    states = (State.QUEUED, State.RUNNING)
    return [
        record.id for state in states for record in client.tasks(state=state, group=client.session.options["group"])
    ]


def test_it_computes_on_workers_in_order(configured: Client) -> None:
    assert Parallel()(delayed(math.sqrt)(number**2) for number in range(100)) == list(range(100))
    assert os.getpid() not in Parallel()(delayed(process_id)(number) for number in range(4))
    assert Parallel()([]) == []


def test_functions_of_every_kind(configured: Client) -> None:
    offset = 5
    assert Parallel()(delayed(lambda x, *, y: x + y + offset)(x, y=1) for x in range(3)) == [6, 7, 8]


def test_tasks_have_the_options_of_the_client(client: Client) -> None:
    backend = MpcsfaasBackend(client.with_options(group="joblib", priority=3))
    Parallel(n_jobs=2, backend=backend)(delayed(square)(number) for number in range(3))
    options = [record.options for record in client.tasks(group="joblib")]
    assert {option.priority for option in options} == {3}


def test_how_many_at_once(configured: Client) -> None:
    """The platform has two slots."""
    assert effective_n_jobs(-1) == 2
    assert effective_n_jobs(None) == 2
    assert effective_n_jobs(-2) == 2, "for 1 would mean in this process"
    assert effective_n_jobs(8) == 8
    assert Parallel(n_jobs=1)(delayed(process_id)(0) for _ in range(2)) == [os.getpid()] * 2
    with pytest.raises(ValueError, match="n_jobs == 0"):
        Parallel(n_jobs=0)(delayed(square)(1) for _ in range(2))


def test_how_many_at_once_when_that_is_not_told(gateway: FakeGateway, fake_client: Client) -> None:
    backend = MpcsfaasBackend(fake_client)
    assert backend.effective_n_jobs(-1) == 2, "workers may be on their way"
    gateway.fault = lambda _: problem(403, "This needs the scope admin.")
    with pytest.raises(errors.AccessDenied) as caught:
        backend.effective_n_jobs(-1)
    assert "n_jobs=N" in caught.value.__notes__[0]
    assert backend.effective_n_jobs(4) == 4


def test_small_calls_are_put_together(client: Client) -> None:
    grouped = client.with_options(group="batched")
    with parallel_config(MpcsfaasBackend(grouped)):
        assert Parallel(batch_size=10, pre_dispatch="all")(delayed(square)(n) for n in range(100)) == [
            n**2 for n in range(100)
        ]
    assert len(list(client.tasks(group="batched"))) == 10


def test_an_exception_is_itself_and_ends_the_rest(configured: Client) -> None:
    calls = [delayed(fail_on)(1, 1), delayed(time.sleep)(LONG)]
    with pytest.raises(KeyError) as caught:
        Parallel(batch_size=1)(calls)
    assert caught.value.args == (1,)
    assert "in fail_on" in str(caught.value.__cause__)
    wait_until(lambda: not unfinished(configured), what="the others' end")
    assert Parallel()(delayed(square)(number) for number in range(3)) == [0, 1, 4], "it is good for the next call"


def test_a_pool_may_be_used_again(configured: Client) -> None:
    with Parallel() as parallel:
        assert parallel(delayed(square)(number) for number in range(3)) == [0, 1, 4]
        with pytest.raises(KeyError):
            parallel(delayed(fail_on)(number, 1) for number in range(3))
        assert parallel(delayed(square)(number) for number in range(3)) == [0, 1, 4]


def test_a_timeout(configured: Client) -> None:
    with pytest.raises(multiprocessing.TimeoutError):
        Parallel(timeout=0.05)(delayed(time.sleep)(LONG) for _ in range(2))
    wait_until(lambda: not unfinished(configured), what="the tasks' end")


def test_generators(configured: Client) -> None:
    results = Parallel(return_as="generator")(delayed(square)(number) for number in range(20))
    assert next(results) == 0
    assert list(results) == [number**2 for number in range(1, 20)]
    unordered = Parallel(return_as="generator_unordered")(delayed(square)(number) for number in range(20))
    assert sorted(unordered) == [number**2 for number in range(20)]


def test_a_generator_that_is_left_cancels_the_rest(configured: Client) -> None:
    calls = [delayed(square)(0), *[delayed(time.sleep)(LONG)] * 3]
    results = Parallel(return_as="generator", batch_size=1)(calls)
    assert next(results) == 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # joblib's own, that not all was consumed
        del results
        gc.collect()
    wait_until(lambda: not unfinished(configured), what="the others' end")


def test_inside_of_a_task_joblib_uses_threads(configured: Client) -> None:
    names = Parallel()(delayed(nested)(count) for count in (2, 3))
    assert names == [("ThreadingBackend", [0, 1]), ("ThreadingBackend", [0, 1, 4])]


def test_no_thread_is_left(configured: Client) -> None:
    def ours() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name.startswith("mpcsfaas-")]

    before = ours()
    Parallel()(delayed(square)(number) for number in range(3))
    wait_until(lambda: len(ours()) <= len(before), what="the threads' end")


PROGRAM = """
from joblib import Parallel, delayed, parallel_config
from mpcsfaas.client import joblib_backend

joblib_backend.register()
with parallel_config("mpcsfaas"):
    print(Parallel()(delayed(lambda number: number * 2)(number) for number in range(3)))
with parallel_config("mpcsfaas", client="URL"):
    print(Parallel()(delayed(pow)(2, number) for number in range(3)))
"""


def test_a_program(platform: PlatformProcess) -> None:
    environment: dict[str, Any] = os.environ | {"MPCSFAAS_URL": platform.url}
    command = [sys.executable, "-c", PROGRAM.replace("URL", platform.url)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("[0, 2, 4]\n[1, 2, 4]\n", "")


def test_without_joblib_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "joblib.py").write_text("raise ImportError('not here')")
    code = "import mpcsfaas.client.joblib_backend"
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert "pip install 'mpcsfaas[joblib]'" in done.stderr
