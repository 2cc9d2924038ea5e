"""Every message survives the wire; every damaged frame is refused, cheaply, and by `InvalidFrame` alone."""

import random
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import inspect

from mpcsfaas import wire
from mpcsfaas.errors import FrameTooLarge, InvalidFrame
from mpcsfaas.model import AttemptKey, AttemptResult
from mpcsfaas.wire import (
    MAX_ITEMS,
    Beat,
    Cancel,
    FromDispatcher,
    FromWorker,
    Hello,
    Job,
    Jobs,
    Refused,
    Settled,
    Unknown,
    decode_from_dispatcher,
    decode_from_worker,
    encode,
)

Decode = Callable[[bytes], FromWorker | FromDispatcher]

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def values(kind: inspect.Type) -> st.SearchStrategy[Any]:
    """All values that a field of this type may have, short ones only; derived, so that no new field is forgotten."""
    match kind:
        case inspect.StructType(cls=cls, fields=fields):
            required = {field.name: values(field.type) for field in fields if field.required}
            optional = {field.name: values(field.type) for field in fields if not field.required}
            given_fields = st.fixed_dictionaries(required, optional=optional)
            return given_fields.map(lambda arguments: cls(**arguments))
        case inspect.NamedTupleType(cls=cls, fields=fields):
            return st.builds(cls, *(values(field.type) for field in fields))
        case inspect.VarTupleType(item_type=item):
            return st.lists(values(item), max_size=4).map(tuple)
        case inspect.UnionType(types=types):
            return st.one_of(*map(values, types))
    return plain_values(kind)


def plain_values(kind: inspect.Type) -> st.SearchStrategy[Any]:
    match kind:
        case inspect.IntType(ge=least, le=most):
            return st.integers(-(2**63) if least is None else least, 2**64 - 1 if most is None else most)
        case inspect.FloatType(ge=least, gt=under, le=most):
            bound = least if under is None else under
            return st.floats(bound, most, exclude_min=under is not None, allow_nan=False)
        case inspect.EnumType(cls=enum):
            return st.sampled_from(list(enum))
    return {inspect.NoneType: st.none(), inspect.StrType: TEXT, inspect.BytesType: st.binary(max_size=40)}[type(kind)]


FROM_WORKER: st.SearchStrategy[FromWorker] = values(inspect.type_info(FromWorker))
FROM_DISPATCHER: st.SearchStrategy[FromDispatcher] = values(inspect.type_info(FromDispatcher))
MESSAGES = FROM_WORKER | FROM_DISPATCHER
DECODERS: tuple[Decode, ...] = (decode_from_worker, decode_from_dispatcher)


def decoder_of(message: FromWorker | FromDispatcher) -> Decode:
    return decode_from_worker if isinstance(message, FromWorker) else decode_from_dispatcher


def is_refused(frame: bytes, decode: Decode) -> bool:
    """Whether a frame is refused, as it must be unless it is a whole message, which then survives in its turn."""
    try:
        message = decode(frame)
    except InvalidFrame:
        return True
    assert encode(decode(encode(message))) == encode(message)
    return False


@given(MESSAGES)
def test_every_message_comes_back_as_it_was(message: FromWorker | FromDispatcher) -> None:
    frame = encode(message)
    decode = decoder_of(message)

    assert decode(frame) == message
    assert decode(memoryview(b"before" + frame)[6:]) == message  # type: ignore[arg-type]


@given(MESSAGES)
def test_no_message_goes_the_wrong_way(message: FromWorker | FromDispatcher) -> None:
    wrong_way = next(decode for decode in DECODERS if decode is not decoder_of(message))

    assert is_refused(encode(message), wrong_way)


@settings(max_examples=50)
@given(MESSAGES)
def test_whatever_is_cut_off_is_refused(message: FromWorker | FromDispatcher) -> None:
    frame = encode(message)

    assert all(is_refused(frame[:length], decoder_of(message)) for length in range(len(frame)))


@given(MESSAGES, st.binary(min_size=1, max_size=3))
def test_whatever_has_more_after_its_end_is_refused(message: FromWorker | FromDispatcher, more: bytes) -> None:
    assert is_refused(encode(message) + more, decoder_of(message))


@settings(max_examples=50)
@given(MESSAGES, st.randoms(use_true_random=False))
def test_flipped_bits_give_a_message_or_are_refused(
    message: FromWorker | FromDispatcher, chance: random.Random
) -> None:
    frame = encode(message)
    for _ in range(20):
        damaged = bytearray(frame)
        for _ in range(chance.randint(1, 3)):
            damaged[chance.randrange(len(frame))] ^= 1 << chance.randrange(8)
        is_refused(bytes(damaged), decoder_of(message))


@given(st.binary(max_size=200), st.sampled_from(DECODERS))
def test_random_bytes_are_refused(data: bytes, decode: Decode) -> None:
    for start in (b"", b"\x92\x00", b"\x92\x01", b"\x92\x01\x82\xa4kind\xa4jobs\xa4jobs"):
        is_refused(start + data, decode)


@settings(max_examples=50)
@given(MESSAGES, st.sampled_from([0, *range(2, 128)]), st.sampled_from([*range(0x92), *range(0x93, 0x100)]))
def test_a_frame_of_another_version_or_shape_is_refused(
    message: FromWorker | FromDispatcher, version: int, shape: int
) -> None:
    frame = bytearray(encode(message))
    frame[0] = shape
    assert is_refused(bytes(frame), decoder_of(message))
    frame[:2] = 0x92, version if frame[1] else 1
    assert is_refused(bytes(frame), decoder_of(message))


def as_frame(fields: dict[str, Any], version: int = 1) -> bytes:
    return msgspec.msgpack.encode((version, fields))


HELLO: dict[str, Any] = {"kind": "hello", "worker_id": "w", "host": "h", "pid": 1, "slots": 1, "window": 1}
MISFITS: list[tuple[int, dict[str, Any]]] = [
    (0, {**HELLO, "slots": 0}),
    (0, {**HELLO, "slots": MAX_ITEMS + 1}),
    (0, {**HELLO, "window": -1}),
    (0, {**HELLO, "window": 2**63}),
    (0, {**HELLO, "slots": True}),
    (0, {**HELLO, "slots": "4"}),
    (0, {**HELLO, "worker_id": "w" * 257}),
    (0, {**HELLO, "worker_id": b"w"}),
    (0, {**HELLO, "labels": ["label"] * 257}),
    (0, {**HELLO, "newest_version": 128}),
    (0, {**HELLO, "held": [["task", 1.5]]}),
    (0, {**HELLO, "held": [["task"]]}),
    (0, {**HELLO, "held": [["task", 1]] * (MAX_ITEMS + 1)}),
    (0, {key: value for key, value in HELLO.items() if key != "window"}),
    (0, {"kind": "greeting"}),
    (0, {"worker_id": "w"}),
    (0, {}),
    (1, {"kind": "beat", "worker_id": "w", "busy": 0, "window": 0, "received": -1}),
    (1, {"kind": "fetch", "worker_id": "w", "want": 0}),
    (1, {"kind": "fetch", "worker_id": "w", "want": 1, "wait": float("nan")}),
    (1, {"kind": "fetch", "worker_id": "w", "want": 1, "wait": float("inf")}),
    (
        1,
        {"kind": "results", "worker_id": "w", "results": [{"task_id": "t", "number": 1, "failure": {"kind": "ennui"}}]},
    ),
]


@pytest.mark.parametrize(("version", "fields"), MISFITS)
def test_values_out_of_bounds_are_refused(version: int, fields: dict[str, Any]) -> None:
    assert is_refused(as_frame(fields, version), decode_from_worker)


def test_the_bounds_themselves_are_allowed() -> None:
    held = tuple(AttemptKey("task", number) for number in range(MAX_ITEMS))
    largest = Hello("w" * 256, "h", 1, MAX_ITEMS, MAX_ITEMS, labels=("label",) * 256, held=held)

    assert decode_from_worker(encode(largest)) == largest


def test_a_frame_over_the_limit_is_neither_made_nor_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    message = Refused("no" * 50)
    frame = encode(message)
    monkeypatch.setattr(wire, "MAX_FRAME", len(frame))
    assert decode_from_dispatcher(encode(message)) == message

    monkeypatch.setattr(wire, "MAX_FRAME", len(frame) - 1)
    with pytest.raises(FrameTooLarge, match="125 bytes is over the limit of 124"):
        encode(message)
    with pytest.raises(InvalidFrame, match="125 bytes is over the limit of 124"):
        decode_from_dispatcher(frame)


# A decoder takes no more memory than a small multiple of its input


LARGEST_MULTIPLE, CONSTANT = 40, 16 * 1024


def memory_to_decode(frame: bytes, decode: Decode) -> int:
    """Bytes allocated at the worst moment."""
    tracemalloc.start()
    try:
        with suppress(InvalidFrame):
            decode(frame)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def lying_headers() -> list[bytes]:
    """Frames whose every list, text, bytes or map says to be far longer than the frame is."""
    headers = [b"\xdc\xff\xff", b"\xdd\x00\x01\x00\x00", b"\xdd\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff"]
    headers += [b"\xc6\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc9\xff\xff\xff\xff\x01"]
    lists = [("hello", "held"), ("hello", "labels"), ("results", "results"), ("returned", "keys")]
    lists += [("need_functions", "function_ids"), ("jobs", "jobs"), ("functions", "functions"), ("cancel", "keys")]
    lists += [("hello", "worker_id"), ("refused", "reason"), ("settled", "unknown field")]
    return [
        b"\x92" + version + b"\x82" + b"".join(msgspec.msgpack.encode(word) for word in ("kind", kind, name)) + header
        for version in (b"\x00", b"\x01")
        for kind, name in lists
        for header in headers
    ]


def greedy_frames() -> list[tuple[bytes, Decode]]:
    """Frames that are whole and become as much larger in memory as a frame can."""
    many = 20_000
    return [
        (encode(Settled((AttemptKey("", 0),) * many)), decode_from_dispatcher),
        (
            encode(Settled(tuple(AttemptKey(chr(200 + n % 50) * 2, 1000 + n) for n in range(many)))),
            decode_from_dispatcher,
        ),
        (encode(Jobs(1, (Job("", 0, "", b"", ""),) * many)), decode_from_dispatcher),
        (encode(Hello("w", "h", 1, 1, 1, labels=("ab",) * 256)), decode_from_worker),
        (encode(wire.Results("w", (AttemptResult("", 0),) * many)), decode_from_worker),
        (encode(wire.NeedFunctions("w", ("ab",) * many)), decode_from_worker),
        (encode(Refused("\U0001f600" + "a" * many)), decode_from_dispatcher),
        (b"\x92\x01\x82\xa4kind\xa7settled\xa4more" + b"\x91" * many, decode_from_dispatcher),
    ]


@pytest.mark.parametrize("decode", DECODERS)
def test_a_lying_frame_costs_next_to_nothing(decode: Decode) -> None:
    for frame in lying_headers():
        assert is_refused(frame, decode)
        assert memory_to_decode(frame, decode) < CONSTANT


def test_a_greedy_frame_costs_a_small_multiple_of_its_size() -> None:
    for frame, decode in greedy_frames():
        assert memory_to_decode(frame, decode) < LARGEST_MULTIPLE * len(frame) + CONSTANT


@settings(max_examples=50)
@given(st.binary(max_size=100) | MESSAGES.map(encode), st.sampled_from(DECODERS))
def test_any_frame_costs_a_small_multiple_of_its_size(frame: bytes, decode: Decode) -> None:
    assert memory_to_decode(frame, decode) < LARGEST_MULTIPLE * len(frame) + CONSTANT


# What older and newer peers may do


def test_unknown_fields_are_ignored_and_missing_ones_have_their_defaults() -> None:
    frame = as_frame({"kind": "beat", "worker_id": "w", "busy": 1, "window": 2, "mood": {"good": [1, None]}})

    assert decode_from_worker(frame) == Beat("w", 1, 2, received=0)


def test_a_job_may_have_more_elements_than_this_side_knows() -> None:
    frame = as_frame(
        {"kind": "jobs", "sequence": 3, "jobs": [["task", 1, "function", b"", "dill", None, None, [], "more"]]}
    )

    assert decode_from_dispatcher(frame) == Jobs(3, (Job("task", 1, "function", b"", "dill"),))


def test_a_word_of_the_handshake_cannot_be_said_in_a_version_and_no_other_without_one() -> None:
    assert is_refused(as_frame({"kind": "unknown"}, version=1), decode_from_dispatcher)
    assert decode_from_dispatcher(as_frame({"kind": "unknown"}, version=0)) == Unknown()
    assert is_refused(as_frame({"kind": "cancel", "sequence": 1, "keys": []}, version=0), decode_from_dispatcher)
    assert decode_from_dispatcher(as_frame({"kind": "cancel", "sequence": 1, "keys": []}, version=1)) == Cancel(1, ())
