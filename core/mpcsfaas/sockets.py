"""The one place where sockets are made, and how messages move through them in an event loop."""

import asyncio
import os
import resource
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import zmq
from pydantic import Field

from mpcsfaas.curve import CurveOptions, Doorkeeper, HandshakeWatch, Keyring, WorkerKey
from mpcsfaas.errors import MpcsfaasError, SettingsError
from mpcsfaas.wire import MAX_FRAME

MESSAGES_AT_ONCE = 256
"""Messages taken from a socket before the rest of the event loop has its turn."""
HIGH_WATER_MARK = 1000
"""Messages that may wait for one peer; what is said beyond is dropped, and the protocol says it again."""
LINGER_MILLISECONDS = 1000
HEARING_SECONDS = 0.05
"""How long workers have to read what was said last: what they have not read when the connection ends, ZMQ drops."""
READABLE, WRITABLE = int(zmq.POLLIN), int(zmq.POLLOUT)
AT_ONCE, AT_ONCE_WITH_MORE = int(zmq.NOBLOCK), int(zmq.NOBLOCK | zmq.SNDMORE)
"""As plain numbers, for reckoning with flags of pyzmq's enumerations takes longer than sending a part."""
HEARTBEAT_MILLISECONDS = 2000
HEARTBEAT_TIMEOUT_MILLISECONDS = 10_000
HANDSHAKE_MILLISECONDS = 10_000
"""How long a connection may take to show who it is; until then it costs a descriptor, and what it sends."""
RECONNECT_MILLISECONDS = 50
RECONNECT_MAX_MILLISECONDS = 2000
ZAP_DOMAIN = b"mpcsfaas"


class ListeningOptions(CurveOptions):
    """Where a dispatcher listens for its workers."""

    host: str = Field(default="127.0.0.1", description="Address that the dispatcher listens on for workers.")
    port: int = Field(
        default=5555,
        ge=0,
        le=65535,
        description="Port that the dispatcher listens on for workers; 0 picks a free one, as a trial's workers do.",
    )
    url: str | None = Field(
        default=None, description="Where to listen instead of host and port, for example ipc:///run/mpcsfaas/workers."
    )

    @property
    def listening_url(self) -> str:
        """The address to bind. Raises `SettingsError` if there is no such address.

        A dispatcher that starts workers itself needs no address that others know: it takes a free port unless one was
        chosen, so that trials on one machine neither clash nor get each other's workers.
        """
        is_trial = self.workers and not self.model_fields_set & {"host", "port"}
        return check_url(self.url or f"tcp://{self.host}:{0 if is_trial else self.port}")


def check_url(url: str) -> str:
    """The URL. Raises `SettingsError` if workers cannot connect to such a one."""
    scheme, _, rest = url.partition("://")
    if not rest or scheme not in ("tcp", "ipc") or (scheme == "tcp" and not _has_host_and_port(rest)):
        raise SettingsError(f"{url!r} is no address of a dispatcher. Write tcp://HOST:PORT or ipc://PATH.")
    if scheme == "ipc" and rest[0] in "@*":
        raise SettingsError(f"{url!r} names no file, whose mode would keep others out. Write ipc://PATH.")
    return url


def _has_host_and_port(address: str) -> bool:
    host, _, port = address.rpartition(":")
    return bool(host) and port.isascii() and port.isdecimal() and len(port) <= 5 and int(port) <= 65535


def make_socket(context: "zmq.Context[zmq.Socket[bytes]]", kind: int) -> "zmq.Socket[bytes]":
    """A ROUTER, DEALER or REQ with the right options, not bound or connected yet."""
    made = context.socket(kind)
    made.set(zmq.LINGER, LINGER_MILLISECONDS)
    made.set(zmq.SNDHWM, HIGH_WATER_MARK)
    made.set(zmq.RCVHWM, HIGH_WATER_MARK)
    made.set(zmq.MAXMSGSIZE, MAX_FRAME)
    made.set(zmq.HANDSHAKE_IVL, HANDSHAKE_MILLISECONDS)
    made.set(zmq.HEARTBEAT_IVL, HEARTBEAT_MILLISECONDS)
    made.set(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MILLISECONDS)
    if kind == zmq.ROUTER:
        made.set(zmq.ROUTER_MANDATORY, 1)
        return made
    if kind == zmq.DEALER:
        made.set(zmq.IMMEDIATE, 1)  # Take nothing from the agent while there is no connection.
    if kind == zmq.REQ:
        made.set(zmq.LINGER, 0)  # A question that is given up must not be asked later.
    made.set(zmq.RECONNECT_IVL, RECONNECT_MILLISECONDS)
    made.set(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MILLISECONDS)
    return made


def allow_open_files() -> None:
    """As many as this process may ask for: with the usual 1024, the thousandth worker would knock in vain."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def present(socket: "zmq.Socket[Any]", key: WorkerKey) -> None:
    """Have a socket that is not connected yet show this key, and speak with none but the dispatcher that it is for."""
    socket.curve_publickey = key.public_key.encode()
    socket.curve_secretkey = key.secret_key.encode()
    socket.curve_serverkey = key.dispatcher_key.encode()


@contextmanager
def _private_file(url: str) -> Iterator[None]:
    """The socket file that is made meanwhile is for its owner alone, and so is its folder if there is none yet."""
    if not url.startswith("ipc://"):
        yield
        return
    Path(url.removeprefix("ipc://")).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    before = os.umask(0o177)
    try:
        yield
    finally:
        os.umask(before)


class Channel:
    """A socket in an event loop: calls `heard` with each message, and `ready` after whatever happened to it."""

    def __init__(
        self,
        kind: int,
        heard: Callable[[list[bytes]], None],
        ready: Callable[[], None],
        key: WorkerKey | None = None,
    ) -> None:
        """`key` is for a socket that connects, if it is to show one."""
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = make_socket(self._context, kind)
        self._key = key
        self._attendants: list[Doorkeeper | HandshakeWatch] = []
        self._heard = heard
        self._ready = ready
        self._loop = asyncio.get_running_loop()
        self._again: asyncio.Handle | None = None
        self._closed = False

    def bind(self, url: str) -> str:
        """Listen; the address with the port that was chosen. Raises `MpcsfaasError`."""
        allow_open_files()
        try:
            with _private_file(url):
                self._socket.bind(url)
        except (OSError, zmq.ZMQError) as error:
            raise MpcsfaasError(f"Nothing can listen on {url}: {error}. Choose another address or port.") from error
        self._loop.add_reader(self._socket.fileno(), self._on_event)
        return self._socket.get_string(zmq.LAST_ENDPOINT)

    def connect(self, url: str) -> None:
        """Connect, now and for ever again. Raises `MpcsfaasError` for an address that cannot be.

        That there is no getting in is an `MpcsfaasError` too, in the event loop.
        """
        if self._key:
            present(self._socket, self._key)
        if url.startswith("tcp://"):
            self._attendants.append(HandshakeWatch(self._socket, url, self._key))
        try:
            self._socket.connect(url)
        except zmq.ZMQError as error:
            raise MpcsfaasError(f"{url} cannot be connected to: {error}. Correct the address.") from error
        self._loop.add_reader(self._socket.fileno(), self._on_event)

    def can_send(self) -> bool:
        """Whether a message would go out; for a socket with one peer."""
        events = self._events()
        if events & READABLE:
            self._look_again()  # Asking may have swallowed the signal that something came in.
        return bool(events & WRITABLE)

    def send(self, parts: Sequence[bytes]) -> bool:
        """Send one message; False if it was dropped, because the peer is gone or does not keep up."""
        try:
            for part in parts[:-1]:
                self._socket.send(part, AT_ONCE_WITH_MORE)
            self._socket.send(parts[-1], AT_ONCE)
        except zmq.ZMQError:
            return False
        finally:
            self._look_again()  # Sending may have swallowed the signal that something came in.
        return True

    async def close(self) -> None:
        """Close the socket once what was sent has left, or cannot. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._socket.fileno())
        if self._again:
            self._again.cancel()
        if self._socket.type == zmq.ROUTER:
            await asyncio.sleep(HEARING_SECONDS)
        for attendant in self._attendants:
            attendant.close()
        self._socket.close()
        await asyncio.to_thread(self._context.term)

    def _on_event(self) -> None:
        self._again = None
        try:
            self._receive()
        except BaseException:
            self._look_again()  # Nothing will tell of the messages behind the one that was too much.
            raise
        if not self._closed:
            self._ready()
            if self._events() & READABLE:
                self._look_again()

    def _receive(self) -> None:
        for _ in range(MESSAGES_AT_ONCE):
            if self._closed or not self._events() & READABLE:
                break
            with suppress(zmq.Again):
                self._hear_one()

    def _hear_one(self) -> None:
        self._heard(self._socket.recv_multipart(AT_ONCE))

    def _events(self) -> int:
        events: int = self._socket.getsockopt(zmq.EVENTS)  # type: ignore[assignment]
        return events

    def _look_again(self) -> None:
        if self._again is None:
            self._again = self._loop.call_soon(self._on_event)


class Doorway(Channel):
    """A dispatcher's ROUTER: calls `heard` with each message, and the public key that it came with."""

    def __init__(self, heard: Callable[[list[bytes], str], None], keyring: Keyring | None) -> None:
        """Without a keyring, whoever can reach it is heard, and keys are empty. Raises `SettingsError`."""
        key = keyring.dispatcher_key() if keyring else None
        super().__init__(zmq.ROUTER, lambda message: heard(message, ""), lambda: None)
        self._heard_from = heard
        self._is_guarded = keyring is not None
        self._doorkeeper: Doorkeeper | None = None
        if keyring and key:
            self._socket.curve_server = True
            self._socket.curve_publickey = key.public_key.encode()
            self._socket.curve_secretkey = key.secret_key.encode()
            self._socket.set(zmq.ZAP_DOMAIN, ZAP_DOMAIN)
            self._socket.set(zmq.ZAP_ENFORCE_DOMAIN, 1)  # Admit nobody while there is no doorkeeper.
            self._doorkeeper = Doorkeeper(self._context, keyring.allow_list)
            self._attendants.append(self._doorkeeper)

    @property
    def refused(self) -> int:
        """How often somebody was not let in."""
        return self._doorkeeper.refused if self._doorkeeper else 0

    def _hear_one(self) -> None:
        """The first part says where a message is from, also by key: copying would leave that behind."""
        if not self._is_guarded:
            super()._hear_one()
            return
        part = self._socket.recv(AT_ONCE, copy=False)
        key = str(part.get("User-Id"))
        message = [part.bytes]
        while part.more:
            part = self._socket.recv(AT_ONCE, copy=False)
            message.append(part.bytes)
        self._heard_from(message, key)
