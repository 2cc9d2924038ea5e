from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpcsfaas.client.frames import FrameDecoder
from mpcsfaas.testing.fake_gateway import frame

results = st.fixed_dictionaries(
    {
        "id": st.uuids().map(str),
        "state": st.sampled_from(["COMPLETED", "FAILED", "CANCELLED"]),
        "value": st.none() | st.binary(max_size=300),
        "sequence": st.integers(1, 2**40),
    }
)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(results, max_size=4), max_size=8), st.lists(st.integers(0, 10**6), max_size=20))
def test_any_chunking_gives_the_same_results(frames: list[list[dict[str, Any]]], places: list[int]) -> None:
    decoder = FrameDecoder()
    data = b"".join(frame(items) for items in frames)
    received = [item for chunk in cut(data, places) for item in decoder.feed(chunk)]
    sent = [item for items in frames for item in items]
    assert [(item.id, item.state, item.value, item.sequence) for item in received] == [
        (item["id"], item["state"], item["value"], item["sequence"]) for item in sent
    ]


@settings(deadline=None, max_examples=50)
@given(results, st.data())
def test_gives_nothing_before_a_frame_is_whole(item: dict[str, Any], data: st.DataObject) -> None:
    whole = frame([item])
    part = whole[: data.draw(st.integers(0, len(whole) - 1))]
    assert FrameDecoder().feed(part) == []


def test_says_when_it_is_no_such_stream() -> None:
    with pytest.raises(msgspec.DecodeError):
        FrameDecoder().feed(b"\x00\x00\x00\x04oops")
