"""schemathesis against a running gateway: whatever its OpenAPI document allows or forbids is sent to it.

`--long` sends a hundred times as much. What fails is shown with a curl command, and with the seed of the run.
"""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mpcsfaas.gateway.settings import GatewaySettings
from mpcsfaas.interfaces.storage import StorageOptions
from mpcsfaas.model import DispatcherInfo
from mpcsfaas.testing.gateway import GatewayThread
from mpcsfaas_serializers.dill import DillSerializer
from mpcsfaas_serializers.json import JsonSerializer
from mpcsfaas_serializers.msgpack import MsgpackSerializer
from mpcsfaas_storage_memory import MemoryStorage

FOLDER = Path(__file__).parent
BRIEFLY, AT_LENGTH = 3, 300
"""Examples of each kind for each operation."""
SEED = 1
"""Of a brief run, which is to find the same tomorrow."""


@pytest.fixture
def gateway() -> Iterator[GatewayThread]:
    serializers = [DillSerializer(), JsonSerializer(), MsgpackSerializer()]
    with GatewayThread(MemoryStorage("memory://", StorageOptions()), serializers, GatewaySettings()) as running:
        dispatcher = DispatcherInfo("d", "host", 1, "local", time.time(), expires_at=time.time() + 86_400)
        running.run(running.storage.report_dispatcher(dispatcher))
        yield running


def fuzz(url: str, examples: int, seed: int, folder: Path) -> "subprocess.CompletedProcess[str]":
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(FOLDER / "schemathesis.toml")),
        *("run", f"{url}/openapi.json", "--phases", "coverage,fuzzing", "--no-color"),
        *("--max-examples", str(examples), "--seed", str(seed), "--generation-database", "none", "--no-shrink"),
    ]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "media_types", "PYTHONPATH": str(FOLDER)}
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.timeout(4 * 3600)
def test_the_gateway_is_as_its_document_says(
    gateway: GatewayThread, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if request.config.getoption("--long"):
        run = fuzz(gateway.url, AT_LENGTH, random.SystemRandom().randrange(2**32), tmp_path)
    else:
        run = fuzz(gateway.url, BRIEFLY, SEED, tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "No issues found" in run.stdout
