"""`mpcsfaas doctor`: what it finds, what it says to do, and its exit code."""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mpcsfaas.cli import machine_checks, platform_checks
from mpcsfaas.cli.findings import Finding
from mpcsfaas.client import Client
from mpcsfaas.client.records import Worker
from mpcsfaas.curve import Keyring
from mpcsfaas.testing.command_line import CommandLine
from mpcsfaas.testing.distributions import Distributions
from mpcsfaas.testing.platform import PlatformProcess
from mpcsfaas.testing.redis_server import RedisServer

SUBJECTS = [
    "python", "parts", "state folder", "worker keys", "disk", "memory files", "clock", "open files", "processes",
    "settings", "secrets", "openness", "plugins", "storage", "gateway", "versions", "time", "readiness", "access",
    "workers", "labels",
]  # fmt: skip


def statuses(findings: list[dict[str, str]]) -> dict[str, str]:
    return {finding["subject"]: finding["status"] for finding in findings}


def test_all_is_well(mpcsfaas: CommandLine, platform: PlatformProcess) -> None:
    findings = mpcsfaas.json("doctor")
    assert [finding["subject"] for finding in findings] == SUBJECTS
    assert "fail" not in statuses(findings).values()
    assert {finding["subject"] for finding in findings if finding["status"] == "ok"} >= set(SUBJECTS[12:])
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


@pytest.mark.parametrize("section", ["worker", "local"])
def test_a_sandbox_is_tried_where_one_is_demanded(alone: CommandLine, section: str) -> None:
    (alone.folder / "mpcsfaas.toml").write_text(f"[options.{section}]\nsandbox = 'bubblewrap'\n")
    (alone.folder / "bwrap").write_text("#!/bin/sh\necho NO >&2; exit 1\n")
    (alone.folder / "bwrap").chmod(0o755)
    output, _ = alone("doctor", code=1, PATH=f"{alone.folder}{os.pathsep}{os.environ['PATH']}")
    assert "fail  sandbox       sandbox=bubblewrap does not work on this machine: NO. The kernel must" in output
    (alone.folder / "bwrap").write_text("#!/bin/sh\n")
    output, _ = alone("doctor", PATH=f"{alone.folder}{os.pathsep}{os.environ['PATH']}")
    assert "ok    sandbox       bubblewrap works, with the network" in output


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
    assert statuses(findings)["labels"] == "ok"


@contextmanager
def own_platform(user: CommandLine, *arguments: str) -> Iterator[PlatformProcess]:
    """A platform of that user, which `doctor` finds by itself, as it does its storage."""
    with PlatformProcess(user.folder, *arguments) as platform:
        (user.folder / "mpcsfaas.toml").write_text(f'storage = "{platform.storage}"\nurl = "{platform.url}"\n')
        yield platform


def found(user: CommandLine, subject: str, code: int, **variables: str) -> tuple[str, str, str]:
    """Status, detail and fix."""
    findings = json.loads(user("doctor", "--json", code=code, **variables).output)
    (finding,) = [finding for finding in findings if finding["subject"] == subject]
    return finding["status"], finding["detail"], finding["fix"]


def test_a_dispatcher_without_workers_and_with_a_flag_that_lets_strangers_in(alone: CommandLine) -> None:
    with own_platform(alone, "--plugin", "push", "--push-port", "0") as platform:
        status, detail, fix = found(alone, "workers", 0)
        assert (status, detail) == ("warn", "none: tasks will wait")
        assert "mpcsfaas worker --plugin push" in fix
        with Client(platform.url) as client:
            client.with_options(labels=["gpu", "big"]).submit(pow, 2, 3)
        status, detail, fix = found(alone, "labels", 0, MPCSFAAS_INSECURE_PLAINTEXT="true")
        assert status == "warn"
        assert "gpu,big" in detail
        assert "mpcsfaas worker --labels gpu,big" in fix
        status, detail, fix = found(alone, "openness", 0, MPCSFAAS_INSECURE_PLAINTEXT="true")
        assert (status, "--insecure-plaintext" in fix) == ("warn", True)


def test_keys_that_do_not_fit_are_told(alone: CommandLine) -> None:
    with own_platform(alone, "-m", "local", "-w", "1", "--require-keys"):
        status, detail, fix = found(alone, "access", 1)
        assert (status, "demands an API key" in detail, "MPCSFAAS_API_KEY" in fix) == ("fail", True, True)
        keys = {
            scope: alone("keys", "create", "--scope", scope, "--expires", "1d").output.strip()
            for scope in ("execute", "read", "admin")
        }
        status, detail, fix = found(alone, "access", 1, MPCSFAAS_API_KEY=keys["execute"])
        assert (status, "scope read" in detail, "--scope read" in fix) == ("fail", True, True)
        assert found(alone, "access", 0, MPCSFAAS_API_KEY=keys["read"])[0] == "ok"
        assert found(alone, "workers", 0, MPCSFAAS_API_KEY=keys["admin"])[0] == "ok"
        alone("keys", "revoke", keys["read"])
        alone("keys", "create", "--scope", "read")
        assert "unknown" in found(alone, "access", 1, MPCSFAAS_API_KEY=f"{keys['read']}0")[1]


def test_files_with_secrets_that_others_can_read_are_told(alone: CommandLine) -> None:
    settings = alone.folder / "mpcsfaas.toml"
    settings.write_text('api_key = "mpcs_1_2"\n')
    settings.chmod(0o644)
    assert found(alone, "secrets", 1) == ("fail", "open to other users: mpcsfaas.toml", "chmod go= mpcsfaas.toml")
    settings.chmod(0o600)
    assert found(alone, "secrets", 0)[0] == "ok"
    status, detail, _ = found(alone, "secrets", 1, MPCSFAAS_SEAL_KEY=str(alone.folder / "none"))
    assert (status, detail) == ("fail", f"cannot be read: {alone.folder}/none")


def test_a_redis_that_drops_keys_is_told(alone: CommandLine) -> None:
    flags = ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]
    with RedisServer(alone.folder, arguments=flags) as server:
        status, detail, _ = found(alone, "storage", 1, MPCSFAAS_STORAGE=server.url)
    assert (status, "set maxmemory-policy noeviction" in detail) == ("fail", True)


def test_a_low_limit_of_open_files_is_told(tmp_path: Path) -> None:
    command = f"ulimit -S -n 256; exec {sys.executable} -m mpcsfaas doctor"
    environment = os.environ | {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path), "NO_COLOR": "1"}
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert "warn  open files    at most 256\n                    → Raise the limit: ulimit -n " in done.stdout


@pytest.mark.parametrize(
    ("demands", "status"),
    [
        ([], "ok"),
        ([["gpu"]], "ok"),
        ([["gpu", "big"], []], "ok"),
        ([["big", "tpu"]], "warn"),
        ([["gpu", "arm"]], "warn"),
    ],
)
def test_labels_are_compared(demands: list[list[str]], status: str) -> None:
    workers = [Worker("a", "h", 1, 1, 0, ["gpu", "big"]), Worker("b", "h", 1, 1, 0, ["arm"])]
    assert platform_checks.compare_labels(workers, demands).status == status


def test_a_state_folder_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    finding = machine_checks.check_state_folder(tmp_path / "file" / "state")
    assert (finding.status, finding.fix) == ("fail", "Set MPCSFAAS_STATE_DIR to another, or change its permissions.")


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
    finding = machine_checks.check_keys(keyring.folder)
    assert (finding.status, finding.detail, finding.fix) == (
        "fail", f"open to other users: {exposed}", f"chmod -R go= {keyring.folder}",
    )  # fmt: skip


@pytest.mark.parametrize(("few", "status"), [(0, "ok"), (10**9, "warn")])
def test_limits_are_compared_with_what_is_needed(few: int, status: str) -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    finding = machine_checks.check_limit("open files", resource.RLIMIT_NOFILE, few, "ulimit -n")
    assert (finding.status, finding.detail) == (status, f"at most {soft}")
    assert finding.fix.startswith("Raise the limit: ulimit -n ") is (status == "warn")


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
    finding = check()
    assert finding.status == status
    assert finding.fix


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
    finding = platform_checks._version("0.0.1")
    assert finding == Finding("warn", "versions", finding.detail, "Install the same version on both sides.")
    assert "0.0.1" in finding.detail


@pytest.mark.parametrize(("python", "status"), [("3.11.7", "ok"), ("3.11", "ok"), ("3.1", "warn"), ("3.110.1", "warn")])
def test_the_pythons_of_workers_are_compared(python: str, status: str) -> None:
    worker = Worker("w", "host", 1, slots=2, busy=0, python_version=python)
    assert platform_checks.compare_pythons([worker], "3.11").status == status
