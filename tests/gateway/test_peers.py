"""Whose connection it is, as the kernel says."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from starlette.types import Scope

from mpcsfaas.gateway.auth import peers
from mpcsfaas.gateway.auth.peers import Address, Peers, owner_of
from mpcsfaas.testing.other_user import NOBODY, STRANGER, needs_root

CONNECT = """
import encodings.idna, os, socket, sys
host, port, uid = sys.argv[1:]
os.setgroups([]); os.setgid(int(uid)); os.setuid(int(uid))
connection = socket.create_connection((host, int(port)))
sys.stdin.read()
"""


@pytest.fixture(params=["netlink", "tables"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each of the two ways to ask."""
    if request.param == "tables":

        def refuse(*_: object) -> None:
            raise PermissionError

        monkeypatch.setattr(peers, "_ask_netlink", refuse)
    else:
        monkeypatch.setattr(peers, "TABLES", ())
    return str(request.param)


@pytest.fixture(params=["127.0.0.1", "::1"])
def listener(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.create_server((request.param, 0), family=family) as server:
        server.settimeout(10)
        yield server


def addresses(accepted: socket.socket) -> tuple[Address, Address]:
    return accepted.getpeername()[:2], accepted.getsockname()[:2]


@pytest.mark.usefixtures("way")
def test_my_own_connection_is_mine(listener: socket.socket) -> None:
    with socket.create_connection(listener.getsockname()[:2]), listener.accept()[0] as accepted:
        assert owner_of(*addresses(accepted)) == os.geteuid()


@pytest.mark.usefixtures("way")
def test_an_ipv6_socket_may_speak_ipv4() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket(socket.AF_INET6) as client:
        client.connect(("::ffff:127.0.0.1", listener.getsockname()[1]))
        with listener.accept()[0] as accepted:
            assert owner_of(*addresses(accepted)) == os.geteuid()


@contextmanager
def connected_as(uid: int, listener: socket.socket) -> Iterator[socket.socket]:
    host, port = listener.getsockname()[:2]
    command = [sys.executable, "-I", "-S", "-c", CONNECT, host, str(port), str(uid)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as other, listener.accept()[0] as accepted:
        yield accepted
        assert other.stdin
        other.stdin.close()


@needs_root
@pytest.mark.usefixtures("way")
def test_anothers_connection_is_the_others(listener: socket.socket) -> None:
    with connected_as(STRANGER, listener) as accepted:
        assert owner_of(*addresses(accepted)) == STRANGER


@needs_root
@pytest.mark.usefixtures("way")
def test_nobody_may_be_anybody_of_another_namespace(listener: socket.socket) -> None:
    with connected_as(NOBODY, listener) as accepted:
        assert owner_of(*addresses(accepted)) is None


@pytest.mark.usefixtures("way")
def test_a_closed_socket_is_nobodys_though_the_kernel_writes_root(listener: socket.socket) -> None:
    client = socket.create_connection(listener.getsockname()[:2])
    with listener.accept()[0] as accepted:
        client.close()
        assert owner_of(*addresses(accepted)) is None


@pytest.mark.usefixtures("way")
def test_who_listens_on_the_clients_port_is_not_its_owner(listener: socket.socket) -> None:
    with ExitStack() as stack:
        client = stack.enter_context(socket.socket(listener.family))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        client.bind((listener.getsockname()[0], 0))
        client.connect(listener.getsockname()[:2])
        accepted = stack.enter_context(listener.accept()[0])
        where = addresses(accepted)
        client.close()
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        accepted.close()  # Resets the connection, so that no trace of it is left.
        stack.enter_context(socket.create_server(where[0], family=listener.family, reuse_port=True))
        assert owner_of(*where) is None


@pytest.mark.parametrize(
    ("client", "server"),
    [(("", 0), ("127.0.0.1", 80)), (("127.0.0.1", 1), ("test", 80)), (("127.0.0.1", 1), ("::1", 80))],
)
def test_what_is_no_connection_of_this_machine_is_not_known(client: Address, server: Address) -> None:
    assert owner_of(client, server) is None


class Kernel:
    """Answers one user after the other."""

    def __init__(self, *answers: int | None) -> None:
        self.answers = list(answers)

    def __call__(self, client: Address, server: Address) -> int | None:
        return self.answers.pop(0)


def scope(client: Address | None) -> Scope:
    return {"client": client, "server": ("127.0.0.1", 8000)}


def test_the_kernel_is_asked_once_per_connection() -> None:
    known, client = Peers(Kernel(7)), ("127.0.0.1", 1000)
    assert [known.uid(scope(client)) for _ in range(3)] == [7, 7, 7]


def test_the_next_who_has_the_port_is_asked_for_anew() -> None:
    known, ports = Peers(Kernel(7, 8)), [1000, 1000]
    first, second = (("127.0.0.1", port) for port in ports)
    assert first == second
    assert first is not second
    assert (known.uid(scope(first)), known.uid(scope(second))) == (7, 8)


def test_what_could_not_be_known_is_asked_again() -> None:
    known, client = Peers(Kernel(None, 7)), ("127.0.0.1", 1000)
    assert [known.uid(scope(client)) for _ in range(2)] == [None, 7]


def test_a_request_over_no_network_is_nobodys() -> None:
    assert Peers(Kernel()).uid(scope(None)) is None


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "REMEMBERED", 4)
    known = Peers(Kernel(*range(10)))
    clients = [("127.0.0.1", port) for port in range(10)]
    assert [known.uid(scope(client)) for client in clients] == list(range(10))
    assert len(known._known) <= 4
