"""A question that was lost costs one timeout and a new socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import zmq

from mpcsfaas.sockets import Channel
from mpcsfaas_pull.requester import Requester


class Server:
    """Answers each question with itself, except the first `silences`."""

    def __init__(self, silences: int, url: str = "tcp://127.0.0.1:0") -> None:
        self.asked: list[list[bytes]] = []
        self._silences = silences
        self._channel = Channel(zmq.ROUTER, self._heard, lambda: None)
        self.url = self._channel.bind(url)

    def _heard(self, message: list[bytes]) -> None:
        self.asked.append(message)
        if len(self.asked) > self._silences:
            self._channel.send(message)

    async def close(self) -> None:
        await self._channel.close()


@asynccontextmanager
async def served(silences: int) -> AsyncIterator[tuple[Server, Requester]]:
    server = Server(silences)
    requester = Requester(server.url)
    try:
        yield server, requester
    finally:
        await requester.close()
        await server.close()


def test_answers_come_over_one_socket() -> None:
    async def scenario() -> None:
        async with served(silences=0) as (server, requester):
            assert [await requester.ask([b"a", b"b"], 10.0) for _ in range(3)] == [[b"a", b"b"]] * 3
            assert len({message[0] for message in server.asked}) == 1

    asyncio.run(scenario())


def test_a_lost_answer_costs_one_timeout_and_a_new_socket() -> None:
    async def scenario() -> None:
        async with served(silences=1) as (server, requester):
            assert await requester.ask([b"a"], 0.3) is None
            assert await requester.ask([b"a"], 10.0) == [b"a"]
            assert len({message[0] for message in server.asked}) == 2

    asyncio.run(scenario())


def test_a_question_that_was_given_up_is_not_asked_later() -> None:
    async def scenario() -> None:
        absent = Server(silences=0)
        await absent.close()
        requester = Requester(absent.url)
        assert await requester.ask([b"old"], 0.1) is None
        present = Server(silences=0, url=absent.url)
        assert await requester.ask([b"new"], 10.0) == [b"new"]
        assert [message[-1] for message in present.asked] == [b"new"]
        await requester.close()
        await present.close()

    asyncio.run(scenario())


def test_patience_doubles_while_nobody_answers_and_is_as_before_after_an_answer() -> None:
    """Told by who gives up first, not by the clock."""

    async def scenario() -> None:
        async with served(silences=2) as (_, requester), served(silences=2) as (_, fresh):
            assert await requester.ask([b"a"], 0.1) is None
            first = asyncio.create_task(requester.ask([b"a"], 0.4))
            second = asyncio.create_task(fresh.ask([b"a"], 0.4))
            done, _ = await asyncio.wait([first, second], return_when=asyncio.FIRST_COMPLETED)
            assert done == {second}
            assert await first is None
            assert await requester.ask([b"a"], 10.0) == [b"a"]
            assert requester._failures == 0

    asyncio.run(scenario())
