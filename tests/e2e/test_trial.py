"""`mpcsfaas up --plugin push --workers 2`: the whole platform as one process tree, as many times as one likes."""

from pathlib import Path

import pytest

from mpcsfaas.client import Client, Executor
from mpcsfaas.testing.deployment import Deployment
from mpcsfaas.testing.platform import PlatformProcess, wait_until, wait_until_gone
from mpcsfaas.testing.redis_server import RedisServer


@pytest.mark.parametrize(("mode", "database"), [("push", 8), ("pull", 9)])
def test_two_trials_share_one_machine_and_leave_nothing_on_it(
    mode: str, database: int, tmp_path: Path, redis: RedisServer
) -> None:
    (tmp_path / "settings.toml").write_text('[options.worker]\nlabels = "of-the-settings"\n')
    with Deployment(tmp_path, mode) as deployment:
        words = ["--plugin", mode, "--config", str(tmp_path / "settings.toml"), "--workers"]
        killed = deployment.part("up", *words, "2", "--storage", f"{redis.url[:-1]}{database}")
        stopped = deployment.part("up", *words, "1")
        deployment.start()
        assert_works(killed, mode, 2)
        assert_works(stopped, mode, 1)
        processes = [*killed.descendants(), *stopped.descendants()]
        killed.crash()
        assert stopped.terminate() == 0
        wait_until_gone(processes, what="workers and their children")


def assert_works(trial: PlatformProcess, mode: str, count: int) -> None:
    """With the workers of its own process tree, and no others."""
    with Client(trial.url) as client, Executor(client) as executor:
        wait_until(lambda: len(client.workers()[0].workers) == count, 30, "all workers being registered")
        [dispatcher] = client.workers()
        assert dispatcher.strategy == mode
        assert {worker.pid for worker in dispatcher.workers} <= set(trial.descendants())
        assert [worker.labels for worker in dispatcher.workers] == [["of-the-settings"]] * count
        assert list(executor.map(abs, range(-100, 0), timeout=60)) == list(range(100, 0, -1))
