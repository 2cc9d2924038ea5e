"""Children as another user. What only root can show is tested where root runs the tests."""

import asyncio
import json
import os
import pwd
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mpcsfaas.errors import MpcsfaasError, SettingsError
from mpcsfaas.worker.folders import PoolFolder
from mpcsfaas.worker.options import PoolOptions
from mpcsfaas.worker.pool import ProcessPool

USER = "nobody"


def start(**options: Any) -> None:
    pool = ProcessPool(PoolOptions(workers=1, **options), [], lambda results: None, lambda: None, "worker")
    asyncio.run(pool.start())


@pytest.mark.parametrize(
    ("user", "euid", "words"),
    [
        (USER, 1000, ["needs a worker that runs as root", "user 1000"]),
        ("no-such-user", 0, ["no such user", "useradd"]),
        ("root", 0, ["separates nothing"]),
    ],
)
def test_a_user_that_cannot_be_is_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch, user: str, euid: int, words: list[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: euid)
    with pytest.raises(SettingsError) as refused:
        start(child_user=user)
    assert [word for word in words if word not in str(refused.value)] == []


TASK = """
import ctypes, json, os, pwd, signal, subprocess, sys, tempfile
from mpcsfaas.worker import child
from mpcsfaas.worker.identity import Identity
from mpcsfaas.worker.limits import Limits

folder, secret, user = sys.argv[1:]

def succeeds(feat):
    try:
        feat()
    except OSError:
        return False
    return True

sys.path.clear()  # which the user may not be able to read where the tests run
child.settle_in(os.getppid(), folder, 1, 2, Limits(), Identity.of(user) if user else None)
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
dies_of = ctypes.c_int()
ctypes.CDLL(None).prctl(2, ctypes.byref(dies_of))
with tempfile.NamedTemporaryFile() as file:
    owner = os.stat(file.name).st_uid
print(json.dumps({
    "ids": [*os.getresuid(), *os.getresgid()],
    "groups": os.getgroups(),
    "owner of its files": owner,
    "home": os.environ["HOME"],
    "has capabilities": int(status["CapEff"], 16) > 0 or int(status["CapPrm"], 16) > 0,
    "can gain rights": status["NoNewPrivs"] == "0",
    "who its programs are": int(subprocess.check_output(["id", "-u"], text=True)),
    "sees its descriptors": succeeds(lambda: os.listdir("/proc/self/fd")),
    "dies of": dies_of.value,
    "reads the worker's files": succeeds(lambda: open(secret).read()),
    "signals the worker": succeeds(lambda: os.kill(os.getppid(), 0)),
    "sees the worker's environment": succeeds(lambda: open(f"/proc/{os.getppid()}/environ").read()),
    "becomes root": succeeds(lambda: os.setuid(0)),
    "finds other folders": succeeds(lambda: os.listdir(os.path.dirname(folder))),
}))
"""
TRESPASSES = [
    "has capabilities",
    "can gain rights",
    "reads the worker's files",
    "signals the worker",
    "sees the worker's environment",
    "becomes root",
    "finds other folders",
]


if os.geteuid() == 0:

    @pytest.fixture
    def folder() -> Iterator[Path]:
        """A child's, where any user may pass; the folders that pytest makes are closed."""
        with tempfile.TemporaryDirectory(dir="/tmp") as parent:
            os.chmod(parent, 0o711)
            (Path(parent) / "child").mkdir(mode=0o700)
            yield Path(parent) / "child"

    def run_task(folder: Path, user: str) -> dict[str, Any]:
        secret = folder.parent / "secret"
        secret.touch(mode=0o600)
        output = subprocess.check_output([sys.executable, "-c", TASK, str(folder), str(secret), user], text=True)
        seen: dict[str, Any] = json.loads(output)
        return seen

    def test_a_child_is_the_user_and_cannot_touch_what_is_the_workers(folder: Path) -> None:
        user = pwd.getpwnam(USER)
        seen = run_task(folder, USER)
        assert [name for name in TRESPASSES if seen[name]] == []
        assert (seen["ids"], seen["groups"]) == (
            [user.pw_uid] * 3 + [user.pw_gid] * 3,
            sorted(os.getgrouplist(USER, user.pw_gid)),
        )
        assert (seen["owner of its files"], seen["who its programs are"]) == (user.pw_uid, user.pw_uid)
        assert (seen["home"], seen["sees its descriptors"]) == (user.pw_dir, True)
        assert seen["dies of"] == signal.SIGKILL

    def test_without_the_option_it_could_touch_everything(folder: Path) -> None:
        seen = run_task(folder, "")
        assert [name for name in TRESPASSES if not seen[name]] == []

    def test_a_folder_of_modules_that_the_user_cannot_read_is_told_at_the_start(tmp_path: Path) -> None:
        tmp_path.chmod(0o700)
        with pytest.raises(MpcsfaasError, match=f"cannot read .*{tmp_path}"):
            start(child_user=USER, path=(str(tmp_path),))


def test_a_pools_folder_lets_another_user_pass_only_if_children_are_one() -> None:
    for passable, mode in [(False, 0o700), (True, 0o711)]:
        folder = PoolFolder(passable)
        assert stat.S_IMODE(folder.path.stat().st_mode) == mode
        folder.remove()
