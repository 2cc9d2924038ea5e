"""Tasks that bubblewrap shuts in: what they cannot do there, and could without. `in_sandbox_too` shows what stays."""

import asyncio
import os
import pwd
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from pydantic import ValidationError

from mpcsfaas.errors import SettingsError
from mpcsfaas.model import FailureKind
from mpcsfaas.testing.command_line import CommandLine
from mpcsfaas.testing.other_user import STRANGER
from mpcsfaas.testing.sandbox import require_bubblewrap
from mpcsfaas.worker.folders import PoolFolder
from mpcsfaas.worker.options import PoolOptions
from mpcsfaas.worker.pool import ProcessPool

if TYPE_CHECKING:
    from tests.worker.conftest import PoolDriver

SANDBOX = {"sandbox": "bubblewrap"}
PATIENCE = 20.0


@pytest.fixture
def sandbox() -> dict[str, Any]:
    """The option, where it can be had."""
    require_bubblewrap()
    return dict(SANDBOX)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine's folders: a home, and one where everything lies that the platform keeps."""
    (tmp_path / "home").mkdir()
    (tmp_path / "shared" / "state").mkdir(parents=True)
    for name in ("home/diary", "shared/state/secret", "shared/worker.key", "shared/tasks.db-wal", "shared/notes"):
        (tmp_path / name).write_text("secret")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


def options_of(place: Path) -> dict[str, Any]:
    shared = place / "shared"
    return {
        "state_dir": shared / "state",
        "worker_key": shared / "worker.key",
        "storage": f"sqlite:///{shared}/tasks.db",
    }


def trespass(place: str, stranger: int, port: int) -> dict[str, bool]:
    """Whether a task succeeds with each of these."""
    import socket

    def succeeds(feat: Callable[[], Any]) -> bool:
        try:
            return feat() is not False
        except OSError:
            return False

    def read(name: str) -> Callable[[], Any]:
        return lambda: open(f"{place}/{name}").read() or False

    return {
        "reads a file at home": succeeds(read("home/diary")),
        "reads the state folder": succeeds(read("shared/state/secret")),
        "reads the worker's key": succeeds(read("shared/worker.key")),
        "reads the database": succeeds(read("shared/tasks.db-wal")),
        "changes a file that it may read": succeeds(lambda: open(f"{place}/shared/notes", "a")),
        "writes beside its folder": succeeds(lambda: open("../../by-a-task", "w")),
        "writes in /var/tmp": os.access("/var/tmp", os.W_OK),
        "sees another process": succeeds(lambda: open(f"/proc/{stranger}/cmdline").read() == "sleep\x001000.5\x00"),
        "signals another process": succeeds(lambda: os.kill(stranger, 0)),
        "reaches the network": succeeds(lambda: socket.create_connection(("127.0.0.1", port), 5).close()),
    }


@pytest.fixture
def stranger() -> Iterator[int]:
    """A process of the same user; its id is one that no process of a sandbox gets."""
    with subprocess.Popen(["sleep", "1000.5"]) as process:
        yield process.pid
        process.kill()


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_task_in_the_sandbox_is_kept_from_all_this(
    sandbox: dict[str, Any], place: Path, stranger: int, port: int, start_pool: Callable[..., "PoolDriver"]
) -> None:
    shared = (str(place / "shared"),)
    pool = start_pool(**sandbox, **options_of(place), sandbox_network=False, sandbox_visible=shared)
    assert [feat for feat, done in pool.value(trespass, str(place), stranger, port).items() if done] == []
    assert pool.value(Path.read_text, place / "shared" / "notes") == "secret"


def test_without_the_option_it_could_do_all_this(
    place: Path, stranger: int, port: int, start_pool: Callable[..., "PoolDriver"]
) -> None:
    seen = start_pool(**options_of(place)).value(trespass, str(place), stranger, port)
    assert [feat for feat, done in seen.items() if not done] == []


def test_the_network_stays_unless_it_is_switched_off(
    sandbox: dict[str, Any], place: Path, stranger: int, port: int, start_pool: Callable[..., "PoolDriver"]
) -> None:
    assert start_pool(**sandbox).value(trespass, str(place), stranger, port)["reaches the network"]


def test_writable_folders_can_be_written_and_hidden_ones_in_them_not_even_read(
    start_pool: Callable[..., "PoolDriver"], sandbox: dict[str, Any], place: Path
) -> None:
    def use(folder: str) -> list[str]:
        with open(f"{folder}/made", "w"):
            return [name for _, _, names in os.walk(folder) for name in names]

    shared = str(place / "shared")
    pool = start_pool(**sandbox, sandbox_writable=(shared,), sandbox_hidden=(f"{shared}/state",))
    assert sorted(pool.value(use, shared)) == ["made", "notes", "tasks.db-wal", "worker.key"]


@pytest.mark.parametrize("option", ["path", "PYTHONPATH"])
def test_modules_are_found_though_they_lie_at_home(
    start_pool: Callable[..., "PoolDriver"],
    sandbox: dict[str, Any],
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    option: str,
) -> None:
    (place / "home" / "lib").mkdir()
    (place / "home" / "lib" / "of_the_user.py").write_text("VALUE = 42")
    (place / "home" / "link").symlink_to("lib")
    if option == "path":
        sandbox["path"] = (str(place / "home" / "link"),)
    else:
        monkeypatch.setenv("PYTHONPATH", str(place / "home" / "link"))

    def look(home: str) -> tuple[int, list[str]]:
        import importlib

        return importlib.import_module("of_the_user").VALUE, sorted(os.listdir(home))

    assert start_pool(**sandbox).value(look, str(place / "home")) == (42, ["lib", "link"])


if os.geteuid() == 0:

    def trespass_as_root() -> dict[str, bool]:
        import ctypes

        def opens(path: str) -> bool:
            try:
                open(path, "a").close()
            except OSError:
                return False
            return True

        return {
            "chroots": ctypes.CDLL(None).chroot(b"/") == 0,
            "changes the kernel's settings": opens("/proc/sys/kernel/core_pattern"),
        }

    def test_root_in_the_sandbox_has_none_of_its_powers(
        start_pool: Callable[..., "PoolDriver"], sandbox: dict[str, Any]
    ) -> None:
        assert not any(start_pool(**sandbox).value(trespass_as_root).values())

    def test_root_without_the_option_has_them(start_pool: Callable[..., "PoolDriver"]) -> None:
        assert all(start_pool().value(trespass_as_root).values())

    def test_it_goes_together_with_another_user(
        start_pool: Callable[..., "PoolDriver"], sandbox: dict[str, Any]
    ) -> None:
        def look() -> tuple[int, list[int]]:
            with open("mine", "w"), open("/proc/self/status") as status:
                return os.stat("mine").st_uid, [int(line.split()[1], 16) for line in status if line.startswith("Cap")]

        pool = start_pool(**sandbox, child_user="nobody")
        uid, (_, permitted, effective, _, ambient) = pool.value(look)
        assert (uid, permitted, effective, ambient) == (pwd.getpwnam("nobody").pw_uid, 0, 0, 0)
        result = pool.call(time.sleep, 1000, timeout=0.2)
        assert result.failure is not None
        assert result.failure.kind is FailureKind.TIMEOUT
        assert pool.works()

    def test_an_ordinary_user_can_have_it(sandbox: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        """Shown with a shell, as that user may not be able to read this interpreter."""
        monkeypatch.setattr("mpcsfaas.worker.options.needed_to_import", lambda environment: [])
        confinement = PoolOptions(**sandbox, sandbox_network=False).confinement()
        with tempfile.TemporaryDirectory(dir="/tmp") as folder:
            os.chown(folder, STRANGER, STRANGER)
            words = confinement.command(
                ["sh", "-c", "id -u; echo $$; touch mine ../not; ls /tmp; exit 3"], Path(folder)
            )
            done = subprocess.run(words, user=STRANGER, group=STRANGER, extra_groups=(), capture_output=True, text=True)
            assert (done.stdout, done.returncode) == (f"{STRANGER}\n1\n{Path(folder).name}\n", 3)
            assert "Read-only file system" in done.stderr
            assert os.listdir(folder) == ["mine"]


def test_no_task_can_kill_the_process_that_starts_the_others(
    start_pool: Callable[..., "PoolDriver"], sandbox: dict[str, Any]
) -> None:
    def try_it() -> int:
        os.kill(os.getppid(), signal.SIGKILL)
        return os.getppid()

    pool = start_pool(**sandbox)
    assert [pool.value(try_it) for _ in range(2)] == [1, 1]


@pytest.mark.parametrize("victim", ["bwrap", "fork server"])
def test_when_the_sandbox_is_killed_all_in_it_is_gone_and_there_is_another(
    start_pool: Callable[..., "PoolDriver"], sandbox: dict[str, Any], victim: str
) -> None:
    pool = start_pool(**sandbox)
    running = pool.assignment(time.sleep, 1000)
    pool.submit(running)
    pool.wait_until(lambda: pool.pool.busy() == 1)
    (outer,) = [child for child in psutil.Process().children() if child.name() == "bwrap"]
    below = outer.children(recursive=True)
    assert len(below) == 3
    (outer if victim == "bwrap" else below[0]).kill()
    pool.wait_until(lambda: running.attempt.key in pool.results)
    failure = pool.results[running.attempt.key].failure
    assert failure is not None
    assert failure.kind is FailureKind.WORKER_LOST
    assert "was killed by SIGKILL" in failure.message
    assert left_alive(below) == []
    assert pool.works()


VICTIM = """
import asyncio, sys
from mpcsfaas.worker.folders import PoolFolder
from mpcsfaas.worker.options import PoolOptions
from mpcsfaas.worker.pool import ProcessPool

async def main():
    await ProcessPool(PoolOptions(workers=2, sandbox="bubblewrap"), [], print, lambda: None, "victim").start()
    print("up", flush=True)
    await asyncio.sleep(1000)

asyncio.run(main())
"""


def is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def left_alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that have not ended in time; they are killed."""
    deadline = time.monotonic() + PATIENCE
    while alive := [process for process in processes if is_alive(process)]:
        if time.monotonic() > deadline:
            for process in alive:
                process.kill()
            break
        time.sleep(0.01)
    return alive


def test_a_killed_pool_leaves_no_process_and_the_next_one_removes_its_folder(
    sandbox: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with psutil.Popen([sys.executable, "-c", VICTIM], env=environment, stdout=subprocess.PIPE) as victim:
        assert victim.stdout.readline() == b"up\n"
        below = victim.children(recursive=True)
        below[1].suspend()  # the fork server, which can do nothing about it then
        victim.kill()
    assert [process.name() for process in below[:1]] == ["bwrap"]
    assert left_alive(below) == []
    (left,) = tmp_path.iterdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    PoolFolder().remove()
    assert not left.exists()


# What cannot be had


def start(**options: Any) -> None:
    pool = ProcessPool(PoolOptions(workers=1, **options), [], lambda results: None, lambda: None, "worker")
    asyncio.run(pool.start())


def test_without_bubblewrap_a_worker_ends_with_the_cause_and_what_to_do(tmp_path: Path) -> None:
    words = ("worker", "--plugin", "push", "--sandbox", "bubblewrap")
    error = CommandLine(tmp_path).error(*words, code=2, PATH=str(tmp_path))
    assert "needs the program bwrap, and PATH has none. Install it (apt install bubblewrap)" in error


def test_a_machine_that_does_not_permit_it_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = "bwrap: No permissions to create new namespace"
    (tmp_path / "bwrap").write_text(f"#!/bin/sh\necho {refusal!r} >&2\nexit 1\n")
    (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(SettingsError, match=f"does not work on this machine: {refusal}.*make namespaces"):
        start(**SANDBOX)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sandbox_network": False}, "without sandbox=bubblewrap it would do nothing"),
        ({**SANDBOX, "sandbox_visible": ("/no/such/folder",)}, "there is no /no/such/folder"),
    ],
)
def test_options_that_would_keep_nothing_in_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        PoolOptions(**options)
