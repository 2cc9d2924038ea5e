"""Which user is at the other end of a connection of this machine, as the kernel's socket table says.

The table is asked for one socket through netlink, which takes 20 µs however many there are; where that is not allowed
(systemd's `RestrictAddressFamilies`), it is read from /proc, which takes milliseconds.
"""

import os
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import NamedTuple

from starlette.types import Scope

Address = tuple[str, int]

OVERFLOW_UID = 65534
"""What the kernel says in place of users that this user namespace does not know; so it may be anybody."""
TABLES = (Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6"))
REMEMBERED = 16_384

_SOCK_DIAG = 4
_BY_FAMILY, _REQUEST = 20, 1
_ANY = 0xFFFFFFFF
_HEADER = struct.Struct("=IHHII")
_QUESTION = struct.Struct("=BBBBI")
_SOCKET_ID = struct.Struct(">HH16s16s12s")
_ANSWER = struct.Struct("=16x4x48x12xII")
_PORTS = struct.Struct(">20xHH")


class Owner(NamedTuple):
    """Who has a socket."""

    uid: int
    inode: int


class _Known(NamedTuple):
    client: Address
    uid: int


class Peers:
    """The users at the other ends of connections; the kernel is asked once per connection."""

    def __init__(self, ask: "Callable[[Address, Address], int | None] | None" = None) -> None:
        self._ask = ask or owner_of
        self._known: dict[int, _Known] = {}

    def uid(self, scope: Scope) -> int | None:
        """The user who sent a request; None where that cannot be known.

        A server gives all requests of one connection the same `client` object, and another connection another one; as
        we keep it, its identity stands for the connection. A port would not: the next who gets it may be anybody.
        """
        client, server = scope.get("client"), scope.get("server")
        if client is None or server is None:
            return None
        known = self._known.get(id(client))
        if known is not None:
            return known.uid
        uid = self._ask(client, server)
        if uid is not None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[id(client)] = _Known(client, uid)
        return uid


def owner_of(client: Address, server: Address) -> int | None:
    """The user who has the socket at `client` that is connected to `server`; None where that cannot be known."""
    try:
        here, there = ip_address(client[0]), ip_address(server[0])
    except ValueError:
        return None
    if here.version != there.version:
        return None
    try:
        owner = _ask_netlink((here.packed, client[1]), (there.packed, server[1]))
    except OSError:
        owner = _read_tables((here, client[1]), (there, server[1]))
    # Once its owner has closed it, a socket is nobody's, which the kernel writes as root's: such a one has no inode.
    if owner is None or owner.inode == 0 or owner.uid == OVERFLOW_UID:
        return None
    return owner.uid


def _ask_netlink(client: tuple[bytes, int], server: tuple[bytes, int]) -> Owner | None:
    """As `sock_diag(7)` describes it. Raises `OSError` where it is not to be had."""
    family = socket.AF_INET if len(client[0]) == 4 else socket.AF_INET6
    any_socket = struct.pack("=III", 0, _ANY, _ANY)
    identity = _SOCKET_ID.pack(client[1], server[1], client[0], server[0], any_socket)
    question = _QUESTION.pack(family, socket.IPPROTO_TCP, 0, 0, _ANY) + identity
    header = _HEADER.pack(_HEADER.size + len(question), _BY_FAMILY, _REQUEST, 0, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as netlink:
        netlink.settimeout(1.0)
        netlink.send(header + question)
        answer = netlink.recv(8192)
    if _HEADER.unpack_from(answer)[1] != _BY_FAMILY:
        return None
    # Where no such connection is, the kernel answers with whoever listens on the client's port.
    return Owner(*_ANSWER.unpack_from(answer)) if _PORTS.unpack_from(answer) == (client[1], server[1]) else None


def _read_tables(
    client: tuple[IPv4Address | IPv6Address, int], server: tuple[IPv4Address | IPv6Address, int]
) -> Owner | None:
    wanted = {
        (_as_in_table(here, client[1]), _as_in_table(there, server[1]))
        for here, there in _spellings(client[0], server[0])
    }
    for table in TABLES:
        with suppress(OSError), table.open() as lines:
            for line in lines:
                fields = line.split()
                if (fields[1], fields[2]) in wanted:
                    return Owner(uid=int(fields[7]), inode=int(fields[9]))
    return None


def _spellings(client: IPv4Address | IPv6Address, server: IPv4Address | IPv6Address) -> Iterator[tuple[bytes, bytes]]:
    """The addresses, and those that an IPv6 socket writes for them."""
    yield client.packed, server.packed
    if client.version == 4:
        mapped = b"\0" * 10 + b"\xff\xff"
        yield mapped + client.packed, mapped + server.packed


def _as_in_table(address: bytes, port: int) -> str:
    """Words of four bytes in this machine's order, as hexadecimal digits."""
    words = [int.from_bytes(address[start : start + 4], sys.byteorder) for start in range(0, len(address), 4)]
    return "".join(f"{word:08X}" for word in words) + f":{port:04X}"


def trusted_uids() -> frozenset[int]:
    """Those who need no key: the user who runs this, and root, who could read its storage and its memory anyway."""
    return frozenset({os.geteuid(), 0})
