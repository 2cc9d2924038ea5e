"""What the judges of such files say: Docker Compose, hadolint, systemd."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RunTool = Callable[..., "subprocess.CompletedProcess[str]"]

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted(DEPLOY.glob("systemd/*.service"))


def test_the_image_has_no_fault(tool: RunTool) -> None:
    done = tool("hadolint", "--no-color", DEPLOY / "Dockerfile")
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_is_built_from_what_is_there() -> None:
    instructions = [line.split() for line in (DEPLOY / "Dockerfile").read_text().splitlines()]
    copied = [source for words in instructions if words[:1] == ["COPY"] for source in words[1:-1]]
    sources = {source for source in copied if not source.startswith(("--from", "/"))}
    admitted = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"}
    assert sources == admitted
    assert all((ROOT / source).exists() for source in sources)


def test_the_image_runs_as_nobody_special() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    users = [line for line in lines if line.startswith("USER")]
    assert users == ["USER 10001:10001"]


def test_compose_exposes_the_gateway_on_loopback_and_nothing_else(compose: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert [port["host_ip"] for port in published.pop("gateway")] == ["127.0.0.1"]
    assert not published
    assert not any("network_mode" in service for service in compose["services"].values())


def test_compose_keeps_workers_from_the_storage(compose: dict[str, Any]) -> None:
    networks = {name: set(service["networks"]) for name, service in compose["services"].items()}
    assert not networks["worker"] & (networks["redis"] | networks["gateway"])
    assert all(compose["networks"][name].get("internal") for name in networks["redis"])


def test_compose_keeps_the_dispatchers_key_from_workers(compose: dict[str, Any]) -> None:
    mounted = {
        name: {volume["source"]: volume.get("read_only", False) for volume in service.get("volumes", [])}
        for name, service in compose["services"].items()
    }
    assert mounted["dispatcher"] == {"keys": False, "worker-key": False}
    assert mounted["worker"] == {"worker-key": True}
    assert not mounted["gateway"]


def test_every_service_is_watched_restarted_and_stripped_of_rights(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"]
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"]


@pytest.fixture
def installed(tmp_path: Path) -> Callable[[str], list[Path]]:
    """The units, beside an empty program at the place that they name; `spoiled` is left out of them."""

    def install(spoiled: str = "") -> list[Path]:
        program = tmp_path / "mpcsfaas"
        program.write_text("#!/bin/sh\n")
        program.chmod(0o700)
        for unit in UNITS:
            text = unit.read_text().replace("/opt/mpcsfaas/bin/mpcsfaas", str(program))
            (tmp_path / unit.name).write_text(text.replace(spoiled, "") if spoiled else text)
        return sorted(tmp_path.glob("*.service"))

    return install


def test_the_units_have_no_fault(tool: RunTool, installed: Callable[[], list[Path]]) -> None:
    """It warns without an exit code, and of other units of the machine, too."""
    done = tool("systemd-analyze", "--man=no", "verify", *installed())
    assert not [line for line in done.stderr.splitlines() if "mpcsfaas" in line]
    assert done.returncode == 0


def test_a_faulty_unit_is_noticed(tool: RunTool, installed: Callable[[str], list[Path]]) -> None:
    done = tool("systemd-analyze", "--man=no", "verify", *installed("ProtectC"))
    assert "mpcsfaas-gateway.service" in done.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_the_units_leave_little_open(tool: RunTool, installed: Callable[[], list[Path]], unit: Path) -> None:
    """Of 100 points at most; a worker runs its users' code, to which less may be closed."""
    limit = "50" if "worker" in unit.stem else "25"
    [path] = [path for path in installed() if path.name == unit.name]
    done = tool("systemd-analyze", "--no-pager", "security", "--offline=true", f"--threshold={limit}", path)
    assert done.returncode == 0, done.stdout
