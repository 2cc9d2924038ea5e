"""The seal itself, and its key's file."""

from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mpcsfaas.errors import SettingsError
from mpcsfaas.sealing import KEY_SIZE, Forged, Seal, read_key, write_key

keys = st.binary(min_size=KEY_SIZE, max_size=KEY_SIZE)
owners = st.tuples(st.text(max_size=5), st.text(max_size=5), st.text(max_size=5))
purposes = st.sampled_from([b"task", b"result"])


@given(keys, purposes, owners, st.binary())
def test_what_was_sealed_comes_back(key: bytes, purpose: bytes, owner: tuple[str, ...], value: bytes) -> None:
    assert Seal(key).take(purpose, owner, Seal(key).put(purpose, owner, value)) == value


@given(keys, keys, purposes, purposes, owners, owners, st.binary(), st.sampled_from(["key", "purpose", "owner"]))
def test_nothing_else_does(
    key: bytes,
    other_key: bytes,
    purpose: bytes,
    other_purpose: bytes,
    owner: tuple[str, ...],
    other_owner: tuple[str, ...],
    value: bytes,
    changed: str,
) -> None:
    """With another key, for another purpose, or of another owner."""
    given_by = key, purpose, owner
    taken_by = {
        "key": (other_key, purpose, owner),
        "purpose": (key, other_purpose, owner),
        "owner": (key, purpose, other_owner),
    }[changed]
    assume(taken_by != given_by)
    with pytest.raises(Forged):
        Seal(taken_by[0]).take(*taken_by[1:], Seal(key).put(purpose, owner, value))


@given(keys, owners, st.binary(max_size=8), st.data())
def test_every_bit_counts(key: bytes, owner: tuple[str, ...], value: bytes, data: st.DataObject) -> None:
    whole = bytearray(Seal(key).put(b"task", owner, value))
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    whole[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Forged):
        Seal(key).take(b"task", owner, bytes(whole))


def test_a_key_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "seal.key"
    write_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(read_key(path)) == KEY_SIZE
    with pytest.raises(SettingsError, match="is there already"):
        write_key(path)
    path.chmod(0o640)
    with pytest.raises(SettingsError, match="chmod 600"):
        read_key(path)


@pytest.mark.parametrize("content", ["", "no key", "ab" * (KEY_SIZE - 1), "ab" * (KEY_SIZE + 1), "\udcff"])
def test_what_is_no_key(content: str, tmp_path: Path) -> None:
    path = tmp_path / "seal.key"
    path.write_bytes(content.encode(errors="surrogateescape"))
    path.chmod(0o600)
    with pytest.raises(SettingsError, match=r"is no seal_key. Make one: mpcsfaas seal-key"):
        read_key(path)
    with pytest.raises(SettingsError, match="No such file"):
        read_key(tmp_path / "nothing")
