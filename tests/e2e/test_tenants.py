"""Two tenants on one platform with one slot, from their API keys to the processes that run their tasks."""

import os
import subprocess
import sys
from pathlib import Path

from mpcsfaas.client import Client
from mpcsfaas.testing.platform import PlatformProcess


def key_of(platform: PlatformProcess, tenant: str) -> str:
    command = [sys.executable, "-m", "mpcsfaas", "keys", "create", "--storage", platform.storage, "--tenant", tenant]
    environment = {**os.environ, "HOME": str(platform.folder), "XDG_STATE_HOME": str(platform.folder)}
    return subprocess.check_output(command, env=environment, cwd=platform.folder, text=True).strip()


def leave_a_mark(mark: str) -> tuple[int, str | None]:
    import builtins

    found = getattr(builtins, "mark", None)
    builtins.mark = mark  # type: ignore[attr-defined]
    return os.getpid(), found


leave_a_mark.__module__ = "__main__"  # workers cannot import the tests, so let it travel by value


def test_tenants_of_two_keys_share_a_slot_and_no_process(tmp_path: Path) -> None:
    platform = PlatformProcess(tmp_path, "--workers", "1")
    keys = [key_of(platform, tenant) for tenant in ("red", "blue")]
    with platform, Client(platform.url, key=keys[0]) as red, Client(platform.url, key=keys[1]) as blue:
        seen = [client.submit(leave_a_mark, name).result(30) for client, name in 2 * [(red, "red"), (blue, "blue")]]
    assert [found for _, found in seen] == [None] * 4
    assert len({process for process, _ in seen}) == 4
