"""The commands of the compose file and of the units, as they stand there, make a platform that works."""

import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from mpcsfaas.client import Client
from mpcsfaas.client.errors import AccessDenied
from mpcsfaas.testing.platform import wait_until
from mpcsfaas.testing.redis_server import RedisServer, find_redis_server

DEPLOY = Path(__file__).parents[2] / "deploy"
PARTS = ["gateway", "dispatcher", "worker"]


class Site(Protocol):
    url: str
    start: Callable[..., None]
    run: Callable[..., bool]
    output: Callable[..., str]
    log: Callable[[str], str]


def check_that_it_works(site: Site, key: str) -> None:
    try:
        with Client(site.url) as client, pytest.raises(AccessDenied):
            client.run(abs, -4)
        with Client(site.url, key=key) as client:
            assert client.run(abs, -4) == 4
    except Exception as error:
        error.add_note("\n".join(site.log(part) for part in PARTS))
        raise


def health_check(compose: dict[str, Any], part: str) -> list[str]:
    kind, *command = compose["services"][part]["healthcheck"]["test"]
    assert kind in ("CMD", "CMD-SHELL")
    return ["sh", "-c", *command] if kind == "CMD-SHELL" else command


def wait_for_health(site: Site, compose: dict[str, Any], part: str) -> None:
    wait_until(lambda: site.run(part, health_check(compose, part)), 30, f"the health of {part}")


def test_the_compose_file(site: Site, compose: dict[str, Any]) -> None:
    for part in PARTS:
        service = compose["services"][part]
        site.start(part, ["mpcsfaas", *service["command"]], service.get("environment") or {})
        wait_for_health(site, compose, part)
    create = ["mpcsfaas", "keys", "create", "--storage", "redis://redis:6379/0"]
    check_that_it_works(site, site.output("gateway", create, {}).strip())


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_does_not_run_is_not_healthy(site: Site, compose: dict[str, Any], part: str) -> None:
    assert not site.run(part, health_check(compose, part))


def test_redis_keeps_what_it_has_accepted_and_says_that_it_is_well(compose: dict[str, Any], tmp_path: Path) -> None:
    [program, *arguments] = compose["services"]["redis"]["command"]
    assert program == "redis-server"
    [*shell, check] = health_check(compose, "redis")
    with RedisServer(tmp_path, arguments=arguments) as server:
        assert b"always" in server.command("CONFIG", "GET", "appendfsync")
        assert b"yes" in server.command("CONFIG", "GET", "appendonly")
        asked = Path(find_redis_server()).with_name("redis-cli")
        here = [*shell, check.replace("redis-cli", f"{asked} -p {server.port}")]
        assert subprocess.run(here).returncode == 0
        server.kill()
        assert subprocess.run(here, stderr=subprocess.DEVNULL).returncode != 0


def test_the_units(site: Site, compose: dict[str, Any]) -> None:
    for part in PARTS:
        if part == "worker":
            bring_its_key(site)
        [unit] = DEPLOY.glob(f"systemd/mpcsfaas-{part}*.service")
        [command] = re.findall(r"^ExecStart=(.*)$", unit.read_text(), re.MULTILINE)
        site.start(part, shlex.split(command), example_of(unit))
    wait_for_health(site, compose, "gateway")
    [unit] = DEPLOY.glob("systemd/mpcsfaas-gateway.service")
    check_that_it_works(site, site.output("gateway", ["mpcsfaas", "keys", "create"], example_of(unit)).strip())


def bring_its_key(site: Site) -> None:
    """By hand, from the dispatcher's machine to the worker's."""
    [unit] = DEPLOY.glob("systemd/mpcsfaas-dispatcher.service")
    command = ["mpcsfaas", "worker-keys", "create", "worker-1", "--file", "/etc/mpcsfaas/worker.key"]
    assert "Wrote" in site.output("dispatcher", command, example_of(unit))


def example_of(unit: Path) -> dict[str, str]:
    """What the example of the unit's environment file sets, and what would be set without a comment sign."""
    name = Path(re.findall(r"^EnvironmentFile=(/.*)$", unit.read_text(), re.MULTILINE)[0]).name
    text = (DEPLOY / "systemd" / f"{name}.example").read_text()
    return dict(re.findall(r"^(?:# )?(MPCSFAAS_\w+)=(.*)$", text, re.MULTILINE))
