"""What a task finds around itself."""

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mpcsfaas.model import FailureKind
from mpcsfaas.testing.sandbox import in_sandbox_too

if TYPE_CHECKING:
    from tests.worker.conftest import PoolDriver

SECRETS = ["MPCSFAAS_API_KEY", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "DATABASE_PASSWORD", "WHATEVER"]


def environment() -> dict[str, str]:
    return dict(os.environ)


def import_value(module: str) -> Any:
    import importlib

    return importlib.import_module(module).VALUE


def test_the_environment_holds_no_secret(
    start_pool: Callable[..., "PoolDriver"], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("LC_TIME", "C")
    seen = start_pool(environment=("WHATEVER",)).value(environment)
    assert [name for name in SECRETS if name in seen] == ["WHATEVER"]
    assert (seen["PATH"], seen["LC_TIME"]) == (os.environ["PATH"], "C")


@in_sandbox_too
def test_each_child_has_a_folder_of_its_own(pool: "PoolDriver") -> None:
    def look() -> tuple[str, str, str]:
        import time

        time.sleep(0.05)
        return os.getcwd(), tempfile.gettempdir(), os.environ["TMPDIR"]

    found = {_load(result) for result in pool.run(*(pool.assignment(look) for _ in range(4)))}
    assert len(found) == 2
    assert all(folder == temporary == variable for folder, temporary, variable in found)
    assert len({os.path.dirname(folder) for folder, _, _ in found}) == 1


def _load(result: Any) -> Any:
    import dill

    return dill.loads(result.value)


def test_stdin_is_empty(pool: "PoolDriver") -> None:
    def read() -> str:
        return sys.stdin.read()

    assert pool.value(read) == ""


@in_sandbox_too
def test_nothing_of_the_pool_or_of_another_child_is_inherited(pool: "PoolDriver") -> None:
    def look() -> Any:
        import time

        time.sleep(0.05)
        links = []
        for number in os.listdir("/proc/self/fd"):
            try:
                links.append(os.readlink(f"/proc/self/fd/{number}"))
            except OSError:
                continue
        return os.getpid(), links, sys.argv, vars(sys.modules["__main__"]).get("__file__"), os.getsid(0) == os.getpid()

    seen = [_load(result) for result in pool.run(*(pool.assignment(look) for _ in range(4)))]
    assert len({process for process, *_ in seen}) == 2
    for _, links, argv, main_file, leads_session in seen:
        assert (argv, main_file, leads_session) == ([""], None, True)
        kinds = [link.partition(":")[0] for link in links if not link.startswith("/proc/")]
        assert sorted(kinds) == ["/dev/null", "/memfd", "/memfd", "/memfd", "/memfd", "socket"]


@pytest.mark.parametrize("name", ["tests", "core", "plugins", "utils", "benchmarks"])
def test_modules_of_the_users_own_are_not_shadowed(
    start_pool: Callable[..., "PoolDriver"], tmp_path: Path, name: str
) -> None:
    (tmp_path / f"{name}.py").write_text("VALUE = 'of the user'")
    assert start_pool(path=(str(tmp_path),)).value(import_value, name) == "of the user"


@in_sandbox_too
@pytest.mark.parametrize("relative", [False, True])
def test_pythonpath_is_honoured(
    start_pool: Callable[..., "PoolDriver"], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, relative: bool
) -> None:
    (tmp_path / "of_the_user.py").write_text("VALUE = 42")
    monkeypatch.chdir(tmp_path.parent)
    monkeypatch.setenv("PYTHONPATH", tmp_path.name if relative else str(tmp_path))
    assert start_pool().value(import_value, "of_the_user") == 42


def test_a_relative_path_means_the_pools_folder(
    start_pool: Callable[..., "PoolDriver"], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "of_the_user.py").write_text("VALUE = 42")
    monkeypatch.chdir(tmp_path)
    assert start_pool(path=(".",)).value(import_value, "of_the_user") == 42


def test_without_a_path_a_module_is_missing(pool: "PoolDriver") -> None:
    result = pool.call(import_value, "of_the_user")
    assert result.failure is not None
    assert (result.failure.kind, result.failure.type) == (FailureKind.EXCEPTION, "ModuleNotFoundError")


@in_sandbox_too
def test_multiprocessing_works_inside_a_task(pool: "PoolDriver") -> None:
    def spread() -> list[int]:
        import concurrent.futures
        import multiprocessing

        context = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as executor:
            return list(executor.map(abs, [-1, -2, -3]))

    assert pool.value(spread) == [1, 2, 3]


def test_children_differ_in_their_random_numbers(pool: "PoolDriver") -> None:
    def draw() -> float:
        import random
        import time

        time.sleep(0.05)
        return random.random()

    values = {_load(result) for result in pool.run(*(pool.assignment(draw) for _ in range(4)))}
    assert len(values) == 4


def test_a_coroutine_function_is_run_to_its_end(pool: "PoolDriver") -> None:
    async def double(value: int) -> int:
        import asyncio

        await asyncio.sleep(0)
        return value * 2

    assert pool.value(double, 21) == 42


def test_the_traceback_of_a_coroutine_begins_in_it(pool: "PoolDriver") -> None:
    async def fail() -> None:
        raise ValueError

    result = pool.call(fail)
    assert result.failure is not None
    assert "in fail" in result.failure.traceback.splitlines()[1]
