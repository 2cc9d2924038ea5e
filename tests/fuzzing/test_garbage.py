"""Whatever comes from outside is understood, or refused with an error of ours: never another exception.

Random bytes are thrown at decoders beside their own tests; here are things that look right at first sight.
"""

import tomllib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpcsfaas import wire
from mpcsfaas.errors import InvalidFrame, InvalidPayload, SettingsError
from mpcsfaas.interfaces import Serializer
from mpcsfaas.plugins import load, load_serializer
from mpcsfaas.settings import Configuration, Settings
from mpcsfaas.settings.configuration import read_document
from mpcsfaas.settings.layers import Document, Environment, Flags
from mpcsfaas.testing.frames import FROM_DISPATCHER, FROM_WORKER

PLUGINS = ("heartbeat", "phi_accrual", "push", "sqlite")
SERIALIZERS: Sequence[Serializer] = [load_serializer(name) for name in ("dill", "cloudpickle", "msgpack", "json")]

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20)
)
keys = st.text(max_size=8) | st.integers(0, 9)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.integers(0, 9), inner, max_size=4)
    ),
    max_leaves=12,
)


def fields_of(frame: bytes) -> dict[str, Any]:
    _, message = msgspec.msgpack.decode(frame)
    assert isinstance(message, dict)
    return message


@st.composite
def near_frames(draw: st.DrawFn) -> bytes:
    """A message of some kind, some fields of which are anything, another's, or missing."""
    version, good = draw(st.sampled_from([0, 1])), draw(st.sampled_from([*FROM_WORKER, *FROM_DISPATCHER]))
    other = fields_of(draw(st.sampled_from([*FROM_WORKER, *FROM_DISPATCHER])))
    message = fields_of(good)
    for name in draw(st.sets(st.sampled_from(sorted({*message, *other})))):
        what = draw(st.sampled_from(["anything", "another's", "missing"]))
        if what == "missing" or (what == "another's" and name not in other):
            message.pop(name, None)
        else:
            message[name] = other[name] if what == "another's" else draw(values)
    return msgspec.msgpack.encode((version, message))


@settings(deadline=None)
@given(near_frames())
def test_frames(frame: bytes) -> None:
    for decode in (wire.decode_from_worker, wire.decode_from_dispatcher):
        with suppress(InvalidFrame):
            message = decode(frame)
            assert wire.encode(message)


@st.composite
def damaged_payloads(draw: st.DrawFn) -> tuple[Serializer, bytes]:
    """What a serializer wrote of something, cut, doubled or changed in some bytes; or what another one wrote."""
    mine, author = draw(st.sampled_from(SERIALIZERS)), draw(st.sampled_from(SERIALIZERS[:3]))
    data = bytearray(author.dumps_call((draw(values),), {}))
    for position in draw(st.lists(st.integers(0, len(data) - 1), max_size=4)):
        data[position] = draw(st.integers(0, 255))
    cut = draw(st.integers(0, len(data)))
    return mine, bytes(data[:cut] + data[draw(st.integers(0, len(data))) :])


@settings(deadline=None)
@given(damaged_payloads() | st.tuples(st.sampled_from(SERIALIZERS), st.binary(max_size=60)))
def test_payloads(payload: tuple[Serializer, bytes]) -> None:
    serializer, data = payload
    for check in (serializer.check, serializer.check_quick):
        with suppress(InvalidPayload):
            check(data)


names = st.sampled_from([*Settings.model_fields, "plugins", "options"]) | st.text(max_size=12)
plain = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["1h", "10 MB", "-1", "nan", "inf", "1e999", "sqlite://", "a=b", ",", "~unheard-of/x", "\0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def under_options(tables: dict[str, Any]) -> dict[str, Any]:
    return {"options": tables}


options = st.dictionaries(
    st.sampled_from(PLUGINS) | st.text(max_size=6),
    st.dictionaries(st.sampled_from(["limit", "interval", "port", "url", "policy"]), plain, max_size=4) | plain,
    max_size=3,
)
documents = st.builds(
    lambda top, more: {**top, **({"options": more} if more else {})}, st.dictionaries(names, plain), options
)
variables = st.dictionaries(
    st.builds("MPCSFAAS_{}".format, names.map(str.upper) | st.sampled_from(["PUSH_PORT", "HEARTBEAT_LIMIT", "PUSH_"])),
    st.text(max_size=20) | st.sampled_from(["1h", "10 MB", "-1", "nan", "1e999", "a,b", ","]),
)


@settings(deadline=None)
@given(documents, variables)
def test_settings(content: dict[str, Any], environment: dict[str, str]) -> None:
    with suppress(SettingsError):
        configuration = Configuration(Flags(), Environment(environment, PLUGINS), Document(content, Path("its.toml")))
        assert configuration.settings
        for name in PLUGINS:
            with suppress(SettingsError):
                configuration.options(name, load(name).options)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("settings") / "mpcsfaas.toml"


@settings(deadline=None)
@given(content=st.binary(max_size=60) | st.text("[]=\".\n'#{}a1", max_size=40).map(str.encode))
def test_settings_files(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with suppress(SettingsError):
        document = read_document(path)
        assert document.content == tomllib.loads(path.read_text())
