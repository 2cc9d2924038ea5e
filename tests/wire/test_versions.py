"""Peers of different releases agree on a version, or say who has to upgrade; what was recorded is still understood."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcsfaas.errors import IncompatiblePeer, InvalidFrame
from mpcsfaas.wire import (
    HANDSHAKE,
    OLDEST_VERSION,
    VERSION,
    FromDispatcher,
    FromWorker,
    Hello,
    Welcome,
    decode_from_dispatcher,
    decode_from_worker,
    negotiate,
)

RECORDED = Path(__file__).parent / "recorded"
VERSIONS = st.integers(1, 127)


def hello(oldest: int, newest: int) -> Hello:
    return Hello("w-7", "node3", 1, 1, 1, oldest_version=oldest, newest_version=newest)


@given(VERSIONS, VERSIONS, VERSIONS, VERSIONS)
def test_the_newest_common_version_is_chosen_or_there_is_none(a: int, b: int, c: int, d: int) -> None:
    worker, dispatcher = range(min(a, b), max(a, b) + 1), range(min(c, d), max(c, d) + 1)
    common = set(worker) & set(dispatcher)
    if common:
        assert negotiate(hello(worker[0], worker[-1]), dispatcher[0], dispatcher[-1]) == max(common)
    else:
        with pytest.raises(IncompatiblePeer):
            negotiate(hello(worker[0], worker[-1]), dispatcher[0], dispatcher[-1])


@pytest.mark.parametrize("step", range(2, 20))
def test_releases_that_speak_two_versions_meet_in_any_order_of_upgrade(step: int) -> None:
    old, new = (step - 1, step), (step, step + 1)

    assert negotiate(hello(*old), *new) == step
    assert negotiate(hello(*new), *old) == step
    assert negotiate(hello(*new), *new) == step + 1


@pytest.mark.parametrize(
    ("worker", "dispatcher", "outdated"), [((1, 2), (3, 4), "worker"), ((3, 4), (1, 2), "dispatcher")]
)
def test_without_a_common_version_both_are_named_and_the_one_to_upgrade(
    worker: tuple[int, int], dispatcher: tuple[int, int], outdated: str
) -> None:
    with pytest.raises(IncompatiblePeer) as raised:
        negotiate(hello(*worker), *dispatcher)

    assert str(raised.value) == (
        f"Worker w-7 on node3 speaks protocol versions {worker[0]} to {worker[1]}, the dispatcher {dispatcher[0]} to "
        f"{dispatcher[1]}. Upgrade mpcsfaas where the {outdated} runs."
    )


def test_a_range_turned_round_is_no_version() -> None:
    with pytest.raises(IncompatiblePeer):
        negotiate(hello(3, 1), 1, 3)


def test_this_release_speaks_at_most_two_versions_and_its_hello_says_so() -> None:
    said = Hello("w", "h", 1, 1, 1)

    assert VERSION - 1 <= OLDEST_VERSION <= VERSION
    assert (said.oldest_version, said.newest_version) == (OLDEST_VERSION, VERSION)
    assert negotiate(said) == VERSION


def handshake(**fields: object) -> bytes:
    return msgspec.msgpack.encode((HANDSHAKE, fields))


def test_the_next_release_is_understood() -> None:
    """A worker of version N + 1, which says more, and agrees on this version."""
    fields = msgspec.to_builtins(Hello("w", "h", 1, 1, 1)) | {"newest_version": VERSION + 1, "gpus": 8}
    message = decode_from_worker(handshake(**fields))
    assert isinstance(message, Hello)
    assert negotiate(message) == VERSION

    welcome = handshake(kind="welcome", version=VERSION, interval=1.0, dispatcher_id="d", motd="hi")
    assert decode_from_dispatcher(welcome) == Welcome(VERSION, 1.0, "d")


def test_a_version_that_this_side_does_not_speak_cannot_be_chosen_for_it() -> None:
    for version in (0, OLDEST_VERSION - 1, VERSION + 1):
        with pytest.raises(InvalidFrame, match="version"):
            decode_from_dispatcher(handshake(kind="welcome", version=version, interval=1.0, dispatcher_id="d"))


@pytest.mark.parametrize("version", [HANDSHAKE, *range(OLDEST_VERSION, VERSION + 1)])
def test_what_an_older_release_said_is_still_understood(version: int) -> None:
    """The recorded frames are never changed; a version's file goes when the version is no longer spoken."""
    for line in (RECORDED / f"version_{version}.txt").read_text().splitlines():
        side, meaning, data = line.split("\t")
        decode, kinds = (
            (decode_from_worker, FromWorker) if side == "worker" else (decode_from_dispatcher, FromDispatcher)
        )
        expected = msgspec.convert(json.loads(meaning), kinds)

        assert decode(bytes.fromhex(data)) == expected
        assert bytes.fromhex(data)[1] == version


def test_every_kind_was_recorded() -> None:
    lines = [line for file in RECORDED.glob("*.txt") for line in file.read_text().splitlines()]
    recorded = {json.loads(line.split("\t")[1])["kind"] for line in lines}

    assert recorded == {kind.__struct_config__.tag for kind in (*FromWorker.__args__, *FromDispatcher.__args__)}
