"""The contract suite fails for serializers that break their word, and in the test that says so."""

import importlib
import pickle
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from mpcsfaas.errors import InvalidPayload
from mpcsfaas.interfaces import Serializer
from mpcsfaas.testing.serializer_contract import NEVER_SERIALISED, SerializerContract, examples
from mpcsfaas_serializers.cloudpickle import CloudpickleSerializer
from mpcsfaas_serializers.json import JsonSerializer


class DropsFractions(JsonSerializer):
    def loads(self, data: bytes) -> Any:
        value = super().loads(data)
        return int(value) if isinstance(value, float) else value


class AcceptsAnything(JsonSerializer):
    def check(self, data: bytes) -> None:
        pass


class AcceptsAnythingQuickly(JsonSerializer):
    def check_quick(self, data: bytes) -> None:
        pass


class IgnoresTheRest(CloudpickleSerializer):
    def check(self, data: bytes) -> None:
        super().check(data[: data.find(b".") + 1])


class RefusesItsOwn(JsonSerializer):
    def check_quick(self, data: bytes) -> None:
        if len(data) > 20:
            raise InvalidPayload("too long")


class LeaksItsErrors(CloudpickleSerializer):
    def check(self, data: bytes) -> None:
        if b"\xff" in data:
            raise ValueError("0xff")
        super().check(data)


class UnpicklesToCheck(CloudpickleSerializer):
    def check(self, data: bytes) -> None:
        try:
            pickle.loads(data)
        except Exception as error:
            raise InvalidPayload("it did not load") from error


class DoesNotSayWhy(JsonSerializer):
    def dumps(self, value: Any) -> bytes:
        return self._encode(value)


class KeepsItsLastValue(JsonSerializer):
    last = b""

    def dumps(self, value: Any) -> bytes:
        self.last = super().dumps(value)
        time.sleep(0.001)
        return self.last


class LosesFunctions(CloudpickleSerializer):
    def _dumps_any(self, value: Any) -> bytes:
        return pickle.dumps(str)


class TakesAnyArguments(JsonSerializer):
    def loads_call(self, data: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
        args, kwargs = [*super().loads(data), {}][:2]
        return tuple(args), kwargs


class HasNoVersion(JsonSerializer):
    def version(self) -> str:
        return ""


def never_serialised(contract: SerializerContract) -> None:
    for data in NEVER_SERIALISED:
        contract.test_checks_reject_what_was_never_serialised(data)


def execute_nothing(contract: SerializerContract) -> None:
    with tempfile.TemporaryDirectory() as folder:
        contract.test_checks_execute_nothing(Path(folder))


Test = Callable[[Any], None]
BROKEN: list[tuple[type[Serializer], Test]] = [
    (DropsFractions, SerializerContract.test_gives_back_what_it_was_given),
    (AcceptsAnything, SerializerContract.test_check_rejects_what_was_cut_off),
    (AcceptsAnything, never_serialised),
    (AcceptsAnythingQuickly, never_serialised),
    (IgnoresTheRest, SerializerContract.test_check_rejects_what_has_more_after_its_end),
    (RefusesItsOwn, SerializerContract.test_checks_accept_what_it_wrote),
    (LeaksItsErrors, SerializerContract.test_checks_only_ever_raise_invalid_payload),
    (UnpicklesToCheck, execute_nothing),
    (DoesNotSayWhy, SerializerContract.test_says_what_it_cannot_serialise),
    (DoesNotSayWhy, SerializerContract.test_refuses_what_is_nested_too_deeply),
    (KeepsItsLastValue, SerializerContract.test_serves_many_threads),
    (LosesFunctions, SerializerContract.test_carries_functions_or_refuses_them),
    (TakesAnyArguments, SerializerContract.test_refuses_arguments_that_are_no_pair),
    (HasNoVersion, SerializerContract.test_says_what_it_is),
]


def contract_for(cls: type[Serializer]) -> SerializerContract:
    contract = SerializerContract()
    contract.serializer = cls()  # type: ignore[misc]
    floats = st.floats(allow_nan=False, allow_infinity=False)
    contract.values = st.integers() | floats | st.text("abc", max_size=30)  # type: ignore[misc]
    return contract


def without_shrinking(test: Test) -> Test:
    """That it fails is enough; the smallest example takes long to find."""
    handle = getattr(test, "hypothesis", None)
    if handle is None:
        return test
    generate = settings(examples, phases=[Phase.generate], database=None)
    return generate(given(st.data())(handle.inner_test))


@pytest.mark.parametrize(("broken", "test"), BROKEN)
def test_the_contract_catches_the_broken_and_passes_the_whole(broken: type[Serializer], test: Test) -> None:
    quick_test = without_shrinking(test)
    with pytest.raises((Exception, pytest.fail.Exception)):
        quick_test(contract_for(broken))
    quick_test(contract_for(broken.__mro__[1]))


IMPORTS_EARLY = """
import cloudpickle
from mpcsfaas_serializers.cloudpickle import CloudpickleSerializer

class ImportsEarly(CloudpickleSerializer):
    pass
"""


def test_the_contract_catches_an_import_of_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "imports_early.py").write_text(IMPORTS_EARLY)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    contract = contract_for(importlib.import_module("imports_early").ImportsEarly)
    with pytest.raises(AssertionError, match=r"imported: .*cloudpickle"):
        contract.test_imports_no_unpickler_to_check_and_to_tell_its_version()
