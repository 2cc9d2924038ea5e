"""The bad network that the experiments use is bad in the way that it says."""

import socket
import threading
from collections.abc import Iterator

import pytest

from mpcsfaas.testing.tcp_proxy import TcpProxy


@pytest.fixture
def echo() -> Iterator[int]:
    """A port at which everything that is said comes back."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_serve, args=(server,))
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def _serve(server: socket.socket) -> None:
    threads = []
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            break
        threads.append(threading.Thread(target=_echo, args=(connection,)))
        threads[-1].start()
    for thread in threads:
        thread.join()


def _echo(connection: socket.socket) -> None:
    with connection:
        try:
            while data := connection.recv(4096):
                connection.sendall(data)
        except OSError:
            return


@pytest.fixture
def proxy(echo: int) -> Iterator[TcpProxy]:
    with TcpProxy(echo) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: TcpProxy) -> Iterator[socket.socket]:
    """Connected through the proxy."""
    with connected(proxy) as client:
        yield client


def connected(proxy: TcpProxy) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", proxy.port), timeout=5)
    assert says(client, b"hello") == b"hello"
    return client


def says(client: socket.socket, data: bytes) -> bytes:
    client.sendall(data)
    return client.recv(4096)


def test_it_passes_on(client: socket.socket, proxy: TcpProxy) -> None:
    assert says(client, b"again") == b"again"
    assert proxy.connections == 1


def test_a_dropped_connection_is_reset_and_a_new_one_works(client: socket.socket, proxy: TcpProxy) -> None:
    proxy.drop()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    assert proxy.connections == 0
    connected(proxy).close()


def test_a_half_open_connection_stays_silent_and_a_new_one_works(client: socket.socket, proxy: TcpProxy) -> None:
    proxy.half_open()
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        says(client, b"anybody there?")
    assert proxy.connections == 0
    connected(proxy).close()


def test_a_black_hole_holds_everything_up_until_it_heals(client: socket.socket, proxy: TcpProxy) -> None:
    proxy.black_hole()
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        says(client, b"late")
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=0.2) as other:
        with pytest.raises(TimeoutError):
            says(other, b"late, too")
        proxy.heal()
        assert client.recv(4096) == b"late"
        assert other.recv(4096) == b"late, too"


def test_a_target_that_is_away_resets() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with (
        TcpProxy(port) as proxy,
        pytest.raises(ConnectionResetError),
        socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as client,
    ):
        client.recv(1)
