from datetime import UTC
from typing import Any

from hypothesis import strategies as st

from mpcsfaas.testing.serializer_contract import SerializerContract
from mpcsfaas_serializers.cloudpickle import CloudpickleSerializer
from mpcsfaas_serializers.dill import DillSerializer
from mpcsfaas_serializers.json import JsonSerializer
from mpcsfaas_serializers.msgpack import MsgpackSerializer


def python_values() -> st.SearchStrategy[Any]:
    hashable: st.SearchStrategy[Any] = st.none() | st.booleans() | st.integers() | st.text() | st.binary()
    hashable |= st.fractions() | st.uuids()
    atoms = hashable | st.floats() | st.datetimes() | st.decimals(allow_nan=False) | st.binary().map(bytearray)
    atoms |= st.sets(hashable) | st.frozensets(hashable)
    return st.recursive(atoms, lambda part: containers(st.text(), part) | st.lists(part).map(tuple), max_leaves=10)


def msgpack_values() -> st.SearchStrategy[Any]:
    integers = st.integers(-(2**63), 2**64 - 1)
    moments = st.datetimes(timezones=st.just(UTC))
    keys = st.none() | st.booleans() | integers | st.floats() | unicode | st.binary() | moments
    return st.recursive(keys, lambda part: containers(keys, part), max_leaves=10)


def json_values() -> st.SearchStrategy[Any]:
    finite = st.floats(allow_nan=False, allow_infinity=False)
    atoms = st.none() | st.booleans() | st.integers() | finite | unicode
    return st.recursive(atoms, lambda part: containers(unicode, part), max_leaves=10)


def containers(keys: st.SearchStrategy[Any], part: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(part) | st.dictionaries(keys, part)


unicode = st.text(st.characters(exclude_categories=["Cs"]))


class TestDill(SerializerContract):
    serializer = DillSerializer()
    values = python_values()


class TestCloudpickle(SerializerContract):
    serializer = CloudpickleSerializer()
    values = python_values()


class TestMsgpack(SerializerContract):
    serializer = MsgpackSerializer()
    values = msgpack_values()


class TestJson(SerializerContract):
    serializer = JsonSerializer()
    values = json_values()
