"""What importing the SDK, and running a function with it, brings along."""

import subprocess
import sys

import pytest

from mpcsfaas.testing.platform import PlatformProcess

SERVER_PARTS = {"fastapi", "starlette", "uvicorn", "pydantic", "pluggy", "typer", "sqlite3", "dill"}
SERVER_ROOMS = {"mpcsfaas.gateway", "mpcsfaas.dispatcher", "mpcsfaas.worker", "mpcsfaas.cli", "mpcsfaas.plugins"}


def imported_by(script: str, *arguments: str) -> set[str]:
    code = f"{script}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("names", ["Client, AsyncClient, Executor, connect, connect_async", "__version__"])
def test_importing_is_light(names: str) -> None:
    imported = imported_by(f"from mpcsfaas import {names}")
    assert not imported & (SERVER_PARTS | SERVER_ROOMS | {"httpx", "rich"})


def test_running_a_function_imports_no_server_part(platform: PlatformProcess) -> None:
    script = "import sys\nfrom mpcsfaas import Client\nClient(sys.argv[1]).run(lambda: 1)"
    assert not imported_by(script, platform.url) & (SERVER_PARTS | SERVER_ROOMS)
