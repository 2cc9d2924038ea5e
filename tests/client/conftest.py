"""A fake gateway for faults, a real platform for real work, and modules as a user would write them."""

import importlib
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mpcsfaas.client import Client
from mpcsfaas.testing.fake_gateway import FakeGateway
from mpcsfaas.testing.platform import PlatformProcess

WriteModule = Callable[[str, str], ModuleType]


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    with FakeGateway() as running:
        yield running


@pytest.fixture
def fake_client(gateway: FakeGateway) -> Iterator[Client]:
    with Client(gateway.url, timeout=10) as client:
        yield client


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformProcess]:
    with PlatformProcess(tmp_path_factory.mktemp("platform"), "-w", "2") as running:
        yield running


@pytest.fixture
def client(platform: PlatformProcess) -> Iterator[Client]:
    with Client(platform.url) as client:
        yield client


@pytest.fixture
def write_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WriteModule]:
    """Writes a module into a folder that only this process has on its path, and imports it."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    before = set(sys.modules)

    def write(name: str, source: str) -> ModuleType:
        path = folder / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(source))
        importlib.invalidate_caches()
        return importlib.import_module(name.removesuffix(".__init__"))

    yield write
    for name in set(sys.modules) - before:
        if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


ELSEWHERE = """
import sys, pickle, cloudpickle
while size := int.from_bytes(sys.stdin.buffer.read(8), "big"):
    function, args = pickle.loads(sys.stdin.buffer.read(size))
    answer = cloudpickle.dumps(function(*args), protocol=5)
    sys.stdout.buffer.write(len(answer).to_bytes(8, "big") + answer)
    sys.stdout.buffer.flush()
"""


@pytest.fixture(scope="session")
def other_interpreter() -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-c", ELSEWHERE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/") as process:
        yield process


@pytest.fixture
def run_elsewhere(other_interpreter: "subprocess.Popen[bytes]") -> Callable[[bytes], bytes]:
    """Gives the pickle of `(function, args)` to an interpreter that has no module of ours; the result's pickle."""
    stdin: Any = other_interpreter.stdin
    stdout: Any = other_interpreter.stdout

    def run(data: bytes) -> bytes:
        stdin.write(len(data).to_bytes(8, "big") + data)
        stdin.flush()
        return bytes(stdout.read(int.from_bytes(stdout.read(8), "big")))

    return run
