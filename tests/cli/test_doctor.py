"""`mpcsfaas doctor`: what it finds, what it says to do, and its exit code."""

import os
import resource
import time
from pathlib import Path
from typing import Any

import pytest

from mpcsfaas.cli import machine_checks, platform_checks
from mpcsfaas.cli.findings import Finding
from mpcsfaas.client.records import Worker
from mpcsfaas.curve import Keyring
from mpcsfaas.testing.command_line import CommandLine
from mpcsfaas.testing.distributions import Distributions
from mpcsfaas.testing.platform import PlatformProcess

SUBJECTS = [
    "python", "parts", "state folder", "worker keys", "disk", "memory files", "clock", "open files", "processes",
    "settings", "plugins", "storage", "gateway", "versions", "time", "readiness", "workers",
]  # fmt: skip


def statuses(findings: list[dict[str, str]]) -> dict[str, str]:
    return {finding["subject"]: finding["status"] for finding in findings}


def test_all_is_well(mpcsfaas: CommandLine, platform: PlatformProcess) -> None:
    findings = mpcsfaas.json("doctor")
    assert [finding["subject"] for finding in findings] == SUBJECTS
    assert "fail" not in statuses(findings).values()
    assert {finding["subject"] for finding in findings if finding["status"] == "ok"} >= set(SUBJECTS[10:])
    assert platform.url in mpcsfaas("doctor").output


def test_no_platform_is_a_warning_with_its_fix(alone: CommandLine) -> None:
    output, _ = alone("doctor")
    assert "warn  gateway       no platform is running\n                    → Start one: mpcsfaas up\n" in output


def test_a_gateway_that_was_named_must_answer(alone: CommandLine) -> None:
    output, _ = alone("doctor", MPCSFAAS_URL="http://127.0.0.1:1", code=1)
    assert "fail  gateway       The gateway at http://127.0.0.1:1 cannot be reached" in output


def test_settings_that_cannot_be_used_are_told(alone: CommandLine) -> None:
    (alone.folder / "mpcsfaas.toml").write_text("port = 'x'\n")
    output, _ = alone("doctor", code=1)
    assert "fail  settings      port in mpcsfaas.toml cannot be 'x'" in output


def test_a_storage_that_does_not_open_is_told(alone: CommandLine) -> None:
    (alone.folder / "file").touch()
    output, _ = alone("doctor", MPCSFAAS_STORAGE=f"sqlite:///{alone.folder}/file/tasks.db", code=1)
    assert "fail  storage       sqlite:///" in output


def test_a_broken_plugin_is_a_warning(alone: CommandLine) -> None:
    plugins = Distributions(alone.folder)
    plugins.add("shaky", "raise RuntimeError('not today')")
    output, _ = alone.cold("doctor", PYTHONPATH=plugins.paths[0])
    assert "warn  plugins       broken: shaky. " in output
    assert "not today" in output


def test_a_gateway_without_a_dispatcher_is_not_ready(alone: CommandLine) -> None:
    with PlatformProcess(alone.folder, command="serve") as gateway:
        findings = alone.json("doctor", "--url", gateway.url, code=1)
    assert statuses(findings)["readiness"] == "fail"
    assert statuses(findings)["workers"] == "warn"


def test_a_state_folder_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = machine_checks.check_state_folder(tmp_path / "file" / "state")
    assert (found.status, found.fix) == ("fail", "Set MPCSFAAS_STATE_DIR to another, or change its permissions.")


@pytest.mark.parametrize(("mode", "status"), [(0o700, "ok"), (0o755, "warn")])
def test_a_state_folder_is_for_its_user_alone(tmp_path: Path, mode: int, status: str) -> None:
    tmp_path.chmod(mode)
    assert machine_checks.check_state_folder(tmp_path).status == status
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("path", "mode"), [(".", 0o750), ("dispatcher.key", 0o640), ("own/worker.key", 0o604)])
def test_keys_that_others_could_take_are_told(tmp_path: Path, path: str, mode: int) -> None:
    keyring = Keyring(tmp_path)
    assert machine_checks.check_keys(keyring.folder).status == "ok"
    keyring.dispatcher_key()
    assert machine_checks.check_keys(keyring.folder).status == "ok"
    exposed = keyring.folder / path
    exposed.chmod(mode)
    found = machine_checks.check_keys(keyring.folder)
    assert (found.status, found.detail, found.fix) == (
        "fail", f"open to other users: {exposed}", f"chmod -R go= {keyring.folder}",
    )  # fmt: skip


@pytest.mark.parametrize(("few", "status"), [(0, "ok"), (10**9, "warn")])
def test_limits_are_compared_with_what_is_needed(few: int, status: str) -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    found = machine_checks.check_limit("open files", resource.RLIMIT_NOFILE, few, "ulimit -n")
    assert (found.status, found.detail) == (status, f"at most {soft}")
    assert found.fix.startswith("Raise the limit: ulimit -n ") is (status == "warn")


@pytest.mark.parametrize(
    ("check", "name", "value", "status"),
    [
        (lambda: machine_checks.check_disk(Path("/")), "LITTLE_SPACE", 10**18, "warn"),
        (lambda: machine_checks.check_disk(Path("/")), "TOO_LITTLE_SPACE", 10**18, "fail"),
        (machine_checks.check_clock, "RELEASED", 4e9, "fail"),
        (machine_checks.check_python, "OLDEST_PYTHON", (9, 9), "fail"),
        (machine_checks.check_parts, "PARTS", ("dill", "no-such-part"), "fail"),
    ],
)
def test_what_is_below_its_bound_is_told(
    monkeypatch: pytest.MonkeyPatch, check: Any, name: str, value: Any, status: str
) -> None:
    assert check().status in ("ok", "warn")
    monkeypatch.setattr(machine_checks, name, value)
    found = check()
    assert found.status == status
    assert found.fix


def test_memory_files_that_are_forbidden_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "memfd_create", forbidden)
    assert machine_checks.check_shared_memory().status == "fail"


@pytest.mark.parametrize(("ahead", "status"), [(0, "ok"), (60, "warn"), (-60, "warn")])
def test_clocks_are_compared(ahead: float, status: str) -> None:
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + ahead))
    assert platform_checks._clock(date).status == status


def test_versions_are_compared() -> None:
    found = platform_checks._version("0.0.1")
    assert found == Finding("warn", "versions", found.detail, "Install the same version on both sides.")
    assert "0.0.1" in found.detail


@pytest.mark.parametrize(("python", "status"), [("3.11.7", "ok"), ("3.11", "ok"), ("3.1", "warn"), ("3.110.1", "warn")])
def test_the_pythons_of_workers_are_compared(python: str, status: str) -> None:
    worker = Worker("w", "host", 1, slots=2, busy=0, python_version=python)
    assert platform_checks.compare_pythons([worker], "3.11").status == status
