"""Messages through an event loop: none is overlooked, and none is lost at the end."""

import asyncio
import threading
import time
from collections.abc import Callable
from functools import partial

import pytest
import zmq

from mpcsfaas.sockets import Channel


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody.
            await asyncio.sleep(0.005)


def test_asking_whether_one_can_send_overlooks_nothing() -> None:
    """ZMQ tells once that something came in, and asking for the state of a socket counts as being told."""

    async def run() -> None:
        heard: list[list[bytes]] = []
        arrived: list[list[bytes]] = []
        server = Channel(zmq.ROUTER, arrived.append, lambda: None)
        client = Channel(zmq.DEALER, heard.append, lambda: None)
        client.connect(server.bind("tcp://127.0.0.1:0"))
        await until(client.can_send)
        client.send([b"hello"])
        await until(lambda: arrived)
        for number in range(20):
            server.send([arrived[0][0], b"%d" % number])
            ask_for_a_while(client)
            await until(partial(heard.__contains__, [b"%d" % number]))
        await client.close()
        await server.close()

    asyncio.run(run())


def ask_for_a_while(channel: Channel) -> None:
    """Meanwhile the loop cannot look."""
    for _ in range(50):
        time.sleep(0.0002)
        channel.can_send()


def test_what_a_dispatcher_says_last_is_heard_by_a_worker_that_is_busy_just_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mpcsfaas.sockets.HEARING_SECONDS", 0.5)  # This machine may be busy, too.
    addresses: list[str] = []

    async def serve() -> None:
        arrived: list[list[bytes]] = []
        server = Channel(zmq.ROUTER, arrived.append, lambda: None)
        addresses.append(server.bind("tcp://127.0.0.1:0"))
        await until(lambda: arrived)
        server.send([arrived[0][0], b"last words"])
        await server.close()

    async def listen() -> None:
        heard: list[list[bytes]] = []
        client = Channel(zmq.DEALER, heard.append, lambda: None)
        await until(lambda: addresses)
        client.connect(addresses[0])
        await until(client.can_send)
        client.send([b"hello"])
        time.sleep(0.02)  # noqa: ASYNC251 - Busy, so that the loop cannot read.
        await until(lambda: heard == [[b"last words"]])
        await client.close()

    server = threading.Thread(target=asyncio.run, args=(serve(),))
    server.start()
    try:
        asyncio.run(listen())
    finally:
        server.join()


def test_an_error_about_one_message_overlooks_none_behind_it() -> None:
    heard: list[list[bytes]] = []
    defects: list[BaseException] = []

    def hear(message: list[bytes]) -> None:
        if message == [b"0"]:
            raise ValueError("a defect")
        heard.append(message)

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: defects.append(context["exception"]))
        arrived: list[list[bytes]] = []
        server = Channel(zmq.ROUTER, arrived.append, lambda: None)
        client = Channel(zmq.DEALER, hear, lambda: None)
        client.connect(server.bind("tcp://127.0.0.1:0"))
        await until(client.can_send)
        client.send([b"hello"])
        await until(lambda: arrived)
        for number in range(3):
            server.send([arrived[0][0], b"%d" % number])
        time.sleep(0.05)  # noqa: ASYNC251 - Busy, so that all of them wait.
        await until(lambda: heard == [[b"1"], [b"2"]])
        await client.close()
        await server.close()

    asyncio.run(run())
    assert [str(defect) for defect in defects] == ["a defect"]
