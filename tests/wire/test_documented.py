"""The page about the wire is complete and true."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import inspect

from mpcsfaas import wire
from mpcsfaas.wire import Beat, FromDispatcher, FromWorker, decode_from_worker, encode

PAGE = (Path(__file__).parents[2] / "docs" / "wire.md").read_text()
FROM_WORKER, _, FROM_DISPATCHER = PAGE.partition("## From dispatcher to worker")
SIDES = {FromWorker: FROM_WORKER, FromDispatcher: FROM_DISPATCHER}
KINDS = [(side, kind) for side in SIDES for kind in side.__args__]


def kind_name(kind: Any) -> str:
    return str(kind.__struct_config__.tag)


def section(side: Any, kind: Any) -> str:
    """The page from this message's heading to the next heading."""
    found = re.search(rf"^### `{kind_name(kind)}`\n(.*?)(?=^##|\Z)", SIDES[side], re.DOTALL | re.MULTILINE)
    assert found, f"{kind_name(kind)} is not on the page"
    return found[1]


def rows(text: str) -> dict[str, str]:
    """Field and type of each row."""
    return dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", text, re.MULTILINE))


def bounds(kind: inspect.Type) -> str:
    """A field's bounds as the page tells them."""
    if not isinstance(kind, inspect.IntType | inspect.FloatType) or kind.le is None:
        return ""
    if kind.gt is not None:
        return f"over {kind.gt}, to {kind.le}"
    return f"{kind.ge}" if kind.ge == kind.le else f"{kind.ge} to {kind.le}"


@pytest.mark.parametrize(("side", "kind"), KINDS)
def test_each_message_has_its_fields_in_their_order(side: Any, kind: Any) -> None:
    assert list(rows(section(side, kind))) == list(kind.__struct_fields__)


@pytest.mark.parametrize(("side", "kind"), KINDS)
def test_bounds_and_defaults_are_told(side: Any, kind: Any) -> None:
    told = rows(section(side, kind))
    information = inspect.type_info(kind)
    assert isinstance(information, inspect.StructType)
    for field in information.fields:
        shown = told[field.name]
        if not field.required:
            assert shown.endswith(f", `{json.dumps(field.default)}`"), f"{field.name}: {shown}"
        assert shown.startswith(bounds(field.type)), f"{field.name}: {shown}"


@pytest.mark.parametrize(("side", "kind"), KINDS)
def test_each_message_has_an_example_that_is_one(side: Any, kind: Any) -> None:
    found = re.search(r"```json\n(.*?)```", section(side, kind), re.DOTALL)
    assert found
    example = msgspec.json.decode(found[1], type=side)

    assert isinstance(example, kind)
    assert msgspec.json.decode(msgspec.json.encode(example)).keys() == json.loads(found[1]).keys()


def test_no_message_is_left_over() -> None:
    assert re.findall(r"^### `(\w+)`$", PAGE, re.MULTILINE) == [kind_name(kind) for _, kind in KINDS]


def test_the_frame_taken_apart_is_a_frame() -> None:
    shown = re.search(r"A worker's `beat`, all (\d+) bytes:\n\n(.*?)\n\n", PAGE, re.DOTALL)
    assert shown
    words = re.sub("#.*", "", shown[2]).split()
    frame = b"".join(bytes.fromhex(word) if re.fullmatch("[0-9a-f]{2}", word) else word.encode() for word in words)

    assert frame == encode(Beat("w-7", 2, 6))
    assert int(shown[1]) == len(frame)
    assert decode_from_worker(frame) == Beat("w-7", 2, 6)


def test_the_limits_are_those_of_the_code() -> None:
    limits = PAGE.partition("## Limits")[2]
    for value in (wire.MAX_FRAME, wire.MAX_ITEMS, wire.BATCH_BYTES):
        assert str(value) in limits
    assert f"versions {wire.OLDEST_VERSION} to {wire.VERSION}." in PAGE
