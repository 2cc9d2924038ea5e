"""Whether a gateway may listen where it is told to."""

import socket
from contextlib import suppress
from ipaddress import ip_address

from mpcsfaas.errors import SettingsError
from mpcsfaas.settings import Settings


def check_exposure(settings: Settings) -> None:
    """Raises `SettingsError` for a gateway that strangers could reach, unless that is said to be wanted."""
    if settings.insecure_open_to_network or is_loopback(settings.host):
        return
    raise SettingsError(
        f"A gateway on {settings.host} could be reached from other machines, and this one asks nobody for a key:"
        " whoever reaches it could run any code on every worker. Leave it on 127.0.0.1, and reach it from elsewhere"
        f" through SSH (`ssh -L {settings.port}:127.0.0.1:{settings.port} HOST`). If everybody is to get in, say"
        " --insecure-open-to-network."
    )


def is_loopback(host: str) -> bool:
    """True if only this machine reaches a server on this address or name."""
    with suppress(OSError):
        found = socket.getaddrinfo(host or None, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        return all(ip_address(str(address[0]).partition("%")[0]).is_loopback for *_, address in found)
    return False
