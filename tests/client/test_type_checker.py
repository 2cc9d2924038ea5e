"""What mypy makes of a user's program: wrong arguments are found, and results keep their types, through every way.

Its lines end with what mypy is to say: `# E: CODE` for an error, `# T: TYPE` for what it reveals.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

CORE = Path(__file__).parents[2] / "core"

PROGRAM = '''
from concurrent.futures import as_completed

from mpcsfaas import AsyncClient, Client, Executor, connect, connect_async
from mpcsfaas.client import result_of


def area(width: float, height: float, *, unit: str = "m") -> float:
    """Of a rectangle."""
    return width * height


def blocking(client: Client) -> None:
    @client.function(timeout=5)
    def words(text: str, most: int = 10) -> list[str]:
        return text.split()[:most]

    words.remote("a b", most=1)
    words.remote(5)  # E: arg-type
    words.remote("a b", most="one")  # E: arg-type
    words.remote("a b", mots=1)  # E: call-arg
    words.remote()  # E: call-arg
    words.with_options(timeout=1).remote(5)  # E: arg-type
    words.with_options(timeout="soon")  # E: arg-type
    words.with_options(timeuot=1)  # E: call-arg
    words(5)  # E: arg-type
    words.local(5)  # E: arg-type
    reveal_type(words.remote("a").result())  # T: list[str]
    reveal_type(words("a"))  # T: list[str]
    reveal_type(next(words.map(["a"])))  # T: list[str]

    client.run(area, 1, 2, unit="cm")
    client.run(area, "1", 2)  # E: call-overload
    client.run(area, 1)  # E: call-overload
    client.submit(area, 1, 2, unit=3)  # E: arg-type
    client.with_options(priority="high")  # E: arg-type
    client.function(timeout="soon")  # E: call-overload
    reveal_type(client.run(area, 1, 2))  # T: float
    handles = client.submit_many(area, [(1, 2)])
    reveal_type(handles)  # T: list[TaskHandle[float]]
    reveal_type(client.gather(handles))  # T: list[float]
    reveal_type(next(client.as_completed(handles)))  # T: TaskHandle[float]
    reveal_type(client.result(handles[0]))  # T: float
    reveal_type(client.retry(handles[0]))  # T: TaskHandle[float]
    reveal_type(connect())  # T: Client
    client.submit(area, result_of(client.submit(area, 1, 2)), 3)
    client.submit(area, result_of(words.remote("a")), 3)  # E: call-overload
    words.remote(result_of(client.submit(str, 5)))
    words.remote(result_of(client.submit(area, 1, 2)))  # E: arg-type


def executors(client: Client) -> None:
    double = client.function(lambda: 1)
    with Executor(client) as executor:
        future = executor.submit(area, 1, 2)
        reveal_type(future)  # T: TaskFuture[float]
        reveal_type(future.result())  # T: float
        reveal_type(executor.submit(double))  # T: TaskFuture[int]
        reveal_type(next(as_completed([future])))  # T: Future[float]
        reveal_type(executor.with_options(timeout=1).submit(area, 1, 2))  # T: TaskFuture[float]
        reveal_type(next(executor.map(area, [1], [2])))  # T: float
        executor.submit(area, "1", 2)  # E: call-overload
        executor.with_options(timeuot=1)  # E: call-arg
    Executor(max_workers=4)  # E: arg-type
    Executor(4)  # E: arg-type


async def awaiting(client: AsyncClient) -> None:
    @client.function
    def words(text: str, most: int = 10) -> list[str]:
        return text.split()[:most]

    await words.remote(5)  # E: arg-type
    await client.run(area, "1", 2)  # E: call-overload
    handle = await words.remote("a")
    reveal_type(handle)  # T: AsyncTaskHandle[list[str]]
    reveal_type(await handle.result())  # T: list[str]
    reveal_type(await client.gather([handle]))  # T: list[list[str]]
    async for ended in client.as_completed([handle]):
        reveal_type(ended)  # T: AsyncTaskHandle[list[str]]
    async for value in words.map(["a"]):
        reveal_type(value)  # T: list[str]
    reveal_type(await connect_async())  # T: AsyncClient
    with Executor() as executor:
        reveal_type(await executor.submit(area, 1, 2))  # T: float
'''
# Only what the SDK says of itself matters; to read its dependencies would take several times as long.
SETTINGS = """
[mypy]
strict = True
follow_imports = silent
[mypy-aiohttp.*,urllib3.*,yarl.*,rich.*]
follow_imports = skip
"""

SAID = re.compile(r"program\.py:(\d+): (?:error: .*\[([a-z-]+)\]|note: Revealed type is \"(.*)\")$", re.MULTILINE)
EXPECTED = re.compile(r"  # (?:E: ([a-z-]+)|T: (.*))$")


def expected() -> dict[int, str]:
    found = {number: EXPECTED.search(line) for number, line in enumerate(PROGRAM.splitlines(), 1)}
    return {number: match[1] or match[2] for number, match in found.items() if match}


def test_mypy_finds_wrong_arguments_and_knows_results(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "settings.ini").write_text(SETTINGS)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "settings.ini", "--no-color-output", "program.py"],
        cwd=tmp_path, env=os.environ | {"MYPYPATH": str(CORE)}, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    said = {int(line): code or re.sub(r"[\w.]+\.(?=\w)", "", type_) for line, code, type_ in SAID.findall(done.stdout)}
    assert said == expected(), done.stdout + done.stderr
    assert len(said) > 30
