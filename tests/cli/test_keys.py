"""API keys as an operator makes them and as clients use them, on a real platform."""

import json
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from mpcsfaas.cli.key_commands import _moment
from mpcsfaas.client import Client, Executor
from mpcsfaas.client.errors import AccessDenied
from mpcsfaas.errors import SettingsError
from mpcsfaas.testing.command_line import CommandLine
from mpcsfaas.testing.platform import PlatformProcess, wait_until


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformProcess]:
    folder = tmp_path_factory.mktemp("platform")
    with PlatformProcess(folder, "-m", "local", "-w", "2", "--require-keys") as running:
        yield running


@pytest.fixture
def operator(platform: PlatformProcess, tmp_path: Path) -> CommandLine:
    """The command line where the storage is the platform's."""
    (tmp_path / "mpcsfaas.toml").write_text(f'storage = "{platform.storage}"\nurl = "{platform.url}"\n')
    return CommandLine(tmp_path)


def test_a_key_is_made_shown_once_listed_and_revoked(operator: CommandLine, platform: PlatformProcess) -> None:
    made = operator("keys", "create", "--tenant", "acme", "--scope", "read", "--expires", "30d", "--note", "for Eve")
    key = made.output.strip()
    key_id, secret = key.split("_")[1:]
    assert "cannot be shown again" in made.errors
    listed = operator("keys", "list").output
    assert [word in listed for word in (key_id, "acme", "read", "for Eve", secret)] == [True, True, True, True, False]
    (shown,) = [item for item in json.loads(operator("keys", "list", "--json").output) if item["id"] == key_id]
    assert (shown["tenant"], shown["scopes"]) == ("acme", ["read"])
    assert "digest" not in shown
    assert operator("tasks", MPCSFAAS_API_KEY=key).errors == ""
    assert operator("keys", "revoke", key).output == f"Revoked {key_id}.\n"
    assert "no API key" in operator("keys", "revoke", key_id, code=2).errors
    wait_until(lambda: httpx.get(f"{platform.url}/v1/tasks", headers=_bearer(key)).status_code == 401, 5.0)


def test_stats_are_for_tenants_too(operator: CommandLine) -> None:
    key = operator("keys", "create", "--tenant", "idle", "--scope", "read").output.strip()
    told = operator("stats", MPCSFAAS_API_KEY=key).output
    assert [line.split() for line in told.splitlines()] == [["queued", "0"], ["running", "0"], ["functions", "0"]]
    assert json.loads(operator("stats", "--json", MPCSFAAS_API_KEY=key).output)["completed"] is None


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_the_sdk_works_with_a_key(operator: CommandLine, platform: PlatformProcess) -> None:
    key = operator("keys", "create", "--tenant", "acme").output.strip()
    with Client(platform.url, key=key) as client:
        assert key not in repr(client)
        assert client.run(abs, -4) == 4
        assert list(client.map(abs, range(-3, 0), progress=False)) == [3, 2, 1]
        with Executor(client) as executor:
            assert executor.submit(pow, 2, 5).result(30) == 32
        assert len(list(client.tasks())) == 5
        assert {info.name for info in client.functions()} == {"abs", "pow"}
        with pytest.raises(AccessDenied, match="needs the scope admin"):
            client.workers()


def test_errors_say_what_is_wrong(operator: CommandLine, platform: PlatformProcess) -> None:
    with Client(platform.url) as client, pytest.raises(AccessDenied, match="MPCSFAAS_API_KEY"):
        client.run(abs, -4)
    with Client(platform.url, key="mpcs_0_0") as client, pytest.raises(AccessDenied, match="unknown"):
        client.run(abs, -4)
    with pytest.raises(ValueError, match="no API key") as told:
        Client(platform.url, key="secret with\nline")
    assert "secret" not in str(told.value)
    readonly = operator("keys", "create", "--scope", "read").output.strip()
    refused = operator("run", "builtins:abs", "1", code=1, MPCSFAAS_API_KEY=readonly).errors
    assert "needs the scope register" in refused


def test_where_a_command_takes_its_key_from(operator: CommandLine) -> None:
    key = operator("keys", "create").output.strip()
    assert "demands an API key" in operator("tasks", code=1).errors
    operator("tasks", MPCSFAAS_API_KEY=key)
    operator("--key", key, "tasks", MPCSFAAS_API_KEY="mpcs_of_another")
    with (operator.folder / "mpcsfaas.toml").open("a") as settings:
        settings.write(f'api_key = "{key}"\n')
    operator("tasks")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--tenant", "Acme/x"], "--tenant"),
        (["--scope", "everything"], "register, execute, read, admin"),
        (["--expires", "soon"], "30d"),
        (["--expires", "2001-01-01"], "over already"),
    ],
)
def test_what_a_key_cannot_be(tmp_path: Path, words: list[str], told: str) -> None:
    assert told in CommandLine(tmp_path)("keys", "create", *words, code=2).errors


def test_ends_of_keys() -> None:
    assert [_moment(text, 1000.0) for text in ("30", "5s", "2m", "3h", "1d", "1w")] == [
        1030.0, 1005.0, 1120.0, 11800.0, 87400.0, 605800.0
    ]  # fmt: skip
    with pytest.raises(SettingsError):
        _moment("0d", 1000.0)


# A gateway that others can reach


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1, and its key."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += [
        "-keyout",
        str(key),
        "-out",
        str(certificate),
        "-subj",
        "/CN=x",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
    ]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


def test_a_gateway_on_the_network_speaks_tls_and_demands_a_key(
    tmp_path: Path, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--host", "0.0.0.0", "--tls-certificate", str(certificate[0]), "--tls-key", str(certificate[1])]
    storage = f"sqlite:///{tmp_path}/tasks.db"
    refused = CommandLine(tmp_path)("serve", *words, "--port", "0", "--storage", storage, code=2).errors
    assert "keys create" in refused
    assert "--tls-certificate" not in refused
    key = CommandLine(tmp_path)("keys", "create", "--storage", storage).output.strip()
    with PlatformProcess(tmp_path, *words, command="serve") as gateway:
        assert gateway.url.startswith("https://127.0.0.1:")
        trusting = ssl.create_default_context(cafile=str(certificate[0]))
        assert httpx.get(f"{gateway.url}/v1/tasks", verify=trusting).status_code == 401
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        with Client(gateway.url, key=key) as client:
            assert list(client.tasks()) == []


def test_a_gateway_on_the_network_needs_a_key_and_tls(tmp_path: Path) -> None:
    refused = CommandLine(tmp_path)("serve", "--host", "0.0.0.0", "--port", "0", "--require-keys", code=2).errors
    assert "--behind-proxy" in refused
    assert "keys create" not in refused


def test_behind_a_proxy_a_key_is_demanded_though_it_listens_on_loopback(tmp_path: Path) -> None:
    assert "keys create" in CommandLine(tmp_path)("serve", "--behind-proxy", "--port", "0", code=2).errors
    with PlatformProcess(tmp_path, "--behind-proxy", "--require-keys", command="serve") as gateway:
        assert httpx.get(f"{gateway.url}/v1/tasks").status_code == 401


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--tls-key", "{here}"], "--tls-certificate"),
        (["--tls-certificate", "{here}", "--tls-key", "/nowhere.pem"], "/nowhere.pem"),
        (["--tls-certificate", "{here}", "--tls-key", "{here}"], "PEM"),
    ],
)
def test_a_certificate_that_cannot_be_used(tmp_path: Path, words: list[str], told: str) -> None:
    here = tmp_path / "file.pem"
    here.write_text("no certificate")
    given = [word.format(here=here) for word in words]
    assert told in CommandLine(tmp_path)("serve", *given, "--port", "0", code=2).errors
