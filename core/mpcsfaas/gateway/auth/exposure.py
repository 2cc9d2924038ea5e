"""Whether a gateway may listen where it is told to."""

import socket
from contextlib import suppress
from ipaddress import ip_address

from mpcsfaas.errors import SettingsError
from mpcsfaas.settings import Settings

NO_KEYS = "demand API keys: make one with `mpcsfaas keys create`, or say --require-keys and make one later"
NO_TLS = (
    "speak TLS: give --tls-certificate and --tls-key; or say --behind-proxy, if a proxy that does so stands before it"
)


def check_tls(settings: Settings) -> None:
    """Raises `SettingsError` for half of a certificate, or for a file that is not there."""
    files = {"--tls-certificate": settings.tls_certificate, "--tls-key": settings.tls_key}
    for flag, path in files.items():
        if path is None and any(files.values()):
            raise SettingsError(f"TLS needs a certificate and its key: give {flag}, too.")
        if path is not None and not path.is_file():
            raise SettingsError(f"{flag} names {path}, which is no file.")


def check_exposure(settings: Settings, has_keys: bool) -> None:
    """Raises `SettingsError` for a gateway that strangers could reach and that is not ready for them."""
    if settings.insecure_open_to_network or not is_exposed(settings):
        return
    is_private = settings.tls_certificate is not None or settings.behind_proxy
    missing = [
        what for what, is_done in [(NO_KEYS, has_keys or settings.require_keys), (NO_TLS, is_private)] if not is_done
    ]
    if missing:
        raise SettingsError(
            f"A gateway on {settings.host} can be reached from other machines, and runs the code that it is sent; so it"
            f" must {'; and it must '.join(missing)}. Or leave it on 127.0.0.1, and reach it through SSH (`ssh -L"
            f" {settings.port}:127.0.0.1:{settings.port} HOST`). If everybody is to get in: --insecure-open-to-network."
        )


def is_exposed(settings: Settings) -> bool:
    """True if others than the users of this machine can reach the gateway."""
    return settings.behind_proxy or not is_loopback(settings.host)


def is_loopback(host: str) -> bool:
    """True if only this machine reaches a server on this address or name."""
    with suppress(OSError):
        found = socket.getaddrinfo(host or None, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        return all(ip_address(str(address[0]).partition("%")[0]).is_loopback for *_, address in found)
    return False
