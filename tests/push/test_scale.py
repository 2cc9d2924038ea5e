"""One dispatcher and a thousand workers."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mpcsfaas.client import Client, Executor
from mpcsfaas.curve import Keyring
from mpcsfaas.testing.platform import PlatformProcess, free_port, wait_until
from mpcsfaas.testing.simulated_workers import SimulatedWorkers

WORKERS = 1000
TASKS = 4000


@contextmanager
def few_open_files() -> Iterator[None]:
    """For processes that are started here, as on most machines; they may raise it."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_thousand_workers_register_and_are_given_work(tmp_path: Path) -> None:
    """Simulated ones hand in the arguments that they were given."""
    url = f"tcp://127.0.0.1:{free_port()}"
    platform = PlatformProcess(tmp_path, "--plugin", "push", "--push-url", url)
    key_file = Keyring(tmp_path / "mpcsfaas").own_file
    with few_open_files(), platform, SimulatedWorkers(WORKERS, url, key_file=key_file) as workers:
        workers.wait_until_registered()
        with Executor(platform.url) as executor:
            values: list[object] = list(executor.map(abs, range(TASKS)))
        assert values == [((number,), {}) for number in range(TASKS)]
        with Client(platform.url) as client:
            wait_until(lambda: len(client.workers()[0].workers) == WORKERS, 10, "a report of all workers")
        assert workers.stop() == {"results": TASKS, "unknown": 0}
        assert "was lost" not in platform.log
