"""The channel keeps messages whole and in order, whoever receives them."""

import os
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpcsfaas.worker.channel import PACKET, Channel, Closed

SIZES = st.sampled_from([0, 1, 100, PACKET - 1, PACKET, PACKET + 1, 3 * PACKET, 3 * PACKET + 7])


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    near, far = Channel.pair()
    yield near, far
    near.close()
    far.close()


def message_of(number: int, size: int) -> bytes:
    return (b"%d," % number * (size // 2 + 1))[:size]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(SIZES, st.booleans()), max_size=30))
def test_messages_arrive_whole_and_in_order(script: list[tuple[int, bool]]) -> None:
    """Now and then the receiver reads; what finds no room is kept and sent later."""
    near, far = Channel.pair()
    sent, received = [], []
    try:
        for number, (size, reads) in enumerate(script):
            sent.append(message_of(number, size))
            near.put(sent[-1])
            near.flush()
            while reads and (message := far.try_receive()) is not None:
                received.append(message)
        while len(received) < len(sent):
            near.flush()
            while (message := far.try_receive()) is not None:
                received.append(message)
        assert received == sent
        assert far.try_receive() is None
    finally:
        near.close()
        far.close()


def test_without_room_messages_are_kept_and_can_be_taken_back(ends: tuple[Channel, Channel]) -> None:
    near, far = ends
    sent = [message_of(number, 10_000) for number in range(1000)]
    for message in sent:
        near.put(message)
    assert not near.flush()
    taken = near.take_unsent()
    assert taken
    received = [far.receive() for _ in range(len(sent) - len(taken))]
    assert received + taken == sent
    assert near.flush()
    assert far.try_receive() is None


def test_a_packet_belongs_to_whoever_receives_it(ends: tuple[Channel, Channel]) -> None:
    near, far = ends
    other = Channel(socket.socket(fileno=os.dup(far.fileno())))
    for number in range(4):
        near.put(b"%d" % number)
    near.flush()
    assert [far.receive(), other.receive(), other.receive(), far.receive()] == [b"0", b"1", b"2", b"3"]
    assert other.try_receive() is None
    other.close()


def test_descriptors_travel_along(ends: tuple[Channel, Channel]) -> None:
    near, far = ends
    reader, writer = os.pipe()
    near.put(b"x" * (PACKET + 1), [writer])
    near.flush()
    received = far.try_receive_with_files()
    assert received is not None
    message, (copy,) = received
    assert message == b"x" * (PACKET + 1)
    os.write(copy, b"through the copy")
    assert os.read(reader, 100) == b"through the copy"
    assert not os.get_inheritable(copy)
    for descriptor in (reader, writer, copy):
        os.close(descriptor)


def test_a_closed_end_is_told(ends: tuple[Channel, Channel]) -> None:
    near, far = ends
    near.send(b"last words")
    near.close()
    assert far.receive() == b"last words"
    with pytest.raises(Closed):
        far.receive()
    with pytest.raises(Closed):
        far.try_receive()
    far.put(b"to nobody")
    with pytest.raises(BrokenPipeError):
        far.flush()


def test_garbage_is_refused(ends: tuple[Channel, Channel]) -> None:
    near, far = ends
    os.write(near.fileno(), b"garbage")
    with pytest.raises(ValueError, match="begins with"):
        far.try_receive()
