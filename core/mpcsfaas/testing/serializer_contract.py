"""What every serializer must do. Subclass `SerializerContract`, say what yours carries, and let pytest collect it."""

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mpcsfaas.errors import InvalidPayload, SerializationError
from mpcsfaas.interfaces import Serializer

NEVER_SERIALISED = [
    b"",
    b"Hello, world!",
    b"<html></html>\n",
    b'"unfinished',
    b"gASVAwAAAAAAAABLAS4=",
    bytes(range(256)),
]
IMPORT_AND_CHECK = """
import importlib, sys
module, name, data, *libraries = sys.argv[1:]
serializer = getattr(importlib.import_module(module), name)()
serializer.version()
serializer.check(bytes.fromhex(data))
serializer.check_quick(bytes.fromhex(data))
print("imported:", *(library for library in libraries if library in sys.modules))
"""

examples = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.differing_executors])


class Bait:
    """Creates a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


class SerializerContract:
    """The suite. Name your subclass `Test…`.

    Besides what can be generated, your serializer is given a generator object, which none is expected to carry.
    """

    serializer: ClassVar[Serializer]
    libraries: ClassVar[tuple[str, ...]] = ("pickle", "_pickle", "dill", "cloudpickle")
    """Modules that a gateway must not import, so neither may the serializer's module, its checks or its `version`."""

    values: ClassVar[st.SearchStrategy[Any]]
    """Values that come back just as they were."""

    def test_says_what_it_is(self) -> None:
        assert self.serializer.name
        assert self.serializer.name.isidentifier()
        assert self.serializer.version()
        assert isinstance(self.serializer.carries_functions, bool)

    def test_imports_no_unpickler_to_check_and_to_tell_its_version(self) -> None:
        cls = type(self.serializer)
        data = self.serializer.dumps_call((1, "a"), {"key": [None]}).hex()
        command = [sys.executable, "-c", IMPORT_AND_CHECK, cls.__module__, cls.__qualname__, data, *self.libraries]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.stdout.strip() == "imported:", done.stdout + done.stderr

    @examples
    @given(st.data())
    def test_gives_back_what_it_was_given(self, data: st.DataObject) -> None:
        value = data.draw(self.values)
        assert_same(self.serializer.loads(self.serializer.dumps(value)), value)

    @examples
    @given(st.data())
    def test_gives_back_calls(self, data: st.DataObject) -> None:
        call = data.draw(calls_of(self.values))
        assert_same(self.serializer.loads_call(self.serializer.dumps_call(*call)), call)

    def test_carries_functions_or_refuses_them(self) -> None:
        offset = 40
        if self.serializer.carries_functions:
            function = self.serializer.loads(self.serializer.dumps(lambda x: x + offset))
            assert function(2) == 42
        else:
            with pytest.raises(SerializationError, match="function"):
                self.serializer.dumps(lambda x: x + offset)

    def test_refuses_arguments_that_are_no_pair(self) -> None:
        for value in (None, [1], [[1], {}, {}], [1, {}], [[1], [2]], {"a": 1}):
            with pytest.raises(InvalidPayload, match="pair"):
                self.serializer.loads_call(self.serializer.dumps(value))

    @examples
    @given(st.data())
    def test_checks_accept_what_it_wrote(self, data: st.DataObject) -> None:
        for payload in (
            self.serializer.dumps(data.draw(self.values)),
            self.serializer.dumps_call(*data.draw(calls_of(self.values))),
        ):
            self.serializer.check(payload)
            self.serializer.check_quick(payload)

    @examples
    @given(st.data())
    def test_check_rejects_what_was_cut_off(self, data: st.DataObject) -> None:
        payload = self.serializer.dumps_call(*data.draw(calls_of(self.values)))
        for length in range(len(payload)):
            assert not self.accepts(payload[:length]), f"accepts the first {length} of {len(payload)} bytes"

    @examples
    @given(st.data())
    def test_check_rejects_what_has_more_after_its_end(self, data: st.DataObject) -> None:
        payload = self.serializer.dumps_call(*data.draw(calls_of(self.values)))
        for more in (payload, data.draw(st.binary(min_size=1).filter(bytes.strip))):
            assert not self.accepts(payload + more)

    @pytest.mark.parametrize("data", NEVER_SERIALISED)
    def test_checks_reject_what_was_never_serialised(self, data: bytes) -> None:
        for check in (self.serializer.check, self.serializer.check_quick):
            with pytest.raises(InvalidPayload):
                check(data)

    @examples
    @given(st.data())
    def test_checks_only_ever_raise_invalid_payload(self, data: st.DataObject) -> None:
        """Also for damaged payloads; and what the full check accepts, the quick one does."""
        payload = bytearray(self.serializer.dumps(data.draw(self.values)))
        for _ in range(data.draw(st.integers(1, 3))):
            payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
        for damaged in (bytes(payload), data.draw(st.binary())):
            if self.accepts(damaged):
                self.serializer.check_quick(damaged)

    def test_checks_execute_nothing(self, tmp_path: Path) -> None:
        created = tmp_path / "created"
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            bait = pickle.dumps(Bait(created), protocol)
            self.accepts(bait)
            assert not created.exists()
            pickle.loads(bait)  # shows that the bait is live
            created.rmdir()

    def test_says_what_it_cannot_serialise(self) -> None:
        for value in (unserialisable(), [1, {"key": unserialisable()}]):
            with pytest.raises(SerializationError, match="generator"):
                self.serializer.dumps(value)

    def test_refuses_what_is_nested_too_deeply(self) -> None:
        value: list[Any] = []
        for _ in range(100_000):
            value = [value]
        with pytest.raises(SerializationError, match="deep"):
            self.serializer.dumps(value)

    def test_serves_many_threads(self) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(self.round_trip, range(400)))

    def round_trip(self, number: int) -> None:
        """There and back for a value of this number's own, and for a function where those are carried."""
        value = [number, str(number) * 100, list(range(number))]
        payload = self.serializer.dumps(value)
        self.serializer.check(payload)
        assert_same(self.serializer.loads(payload), value)
        if self.serializer.carries_functions:
            assert self.serializer.loads(self.serializer.dumps(lambda: number))() == number

    def accepts(self, data: bytes) -> bool:
        """Whether the full check accepts `data`."""
        try:
            self.serializer.check(data)
        except InvalidPayload:
            return False
        return True


@cache
def calls_of(values: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Arguments of tasks."""
    return st.tuples(
        st.lists(values, max_size=3).map(tuple), st.dictionaries(st.text("abc_", max_size=5), values, max_size=3)
    )


def unserialisable() -> Iterator[None]:
    """A generator: it holds a frame."""
    yield


def assert_same(actual: Any, expected: Any) -> None:
    """Equal in value and in type, all the way down; a NaN is the same as a NaN."""
    assert type(actual) is type(expected)
    if isinstance(expected, list | tuple):
        assert len(actual) == len(expected)
        for pair in zip(actual, expected, strict=True):
            assert_same(*pair)
    elif isinstance(expected, dict):
        assert_same(list(actual.items()), list(expected.items()))
    else:
        assert actual == expected or (actual != actual and expected != expected)
