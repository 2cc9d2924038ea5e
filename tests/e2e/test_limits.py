"""The limits of children are options of `local` and of `mpcsfaas worker`, whoever starts it."""

import resource
from pathlib import Path

import pytest

from mpcsfaas.client import Client, Executor
from mpcsfaas.testing.deployment import Deployment

SETTINGS = """
[options.local]
workers = 1
max_open_files = 123

[options.worker]
workers = 1
max_open_files = 123
"""


@pytest.mark.parametrize("mode", ["local", "push"])
def test_limits_reach_the_children(mode: str, tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(SETTINGS)
    with Deployment(tmp_path, mode) as deployment:
        words = ["--workers", "1"] if mode == "push" else []
        platform = deployment.part("up", "--plugin", mode, "--config", str(tmp_path / "settings.toml"), *words)
        deployment.start()
        with Client(platform.url) as client, Executor(client) as executor:
            assert executor.submit(resource.getrlimit, resource.RLIMIT_NOFILE).result(30) == (123, 123)
