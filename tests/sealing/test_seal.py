"""The seal itself, and its key's file."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcsfaas.errors import SettingsError
from mpcsfaas.sealing import KEY_SIZE, Forged, Seal, read_key, write_key

keys = st.binary(min_size=KEY_SIZE, max_size=KEY_SIZE)
owners = st.tuples(st.text(max_size=5), st.text(max_size=5), st.text(max_size=5))
purposes = st.sampled_from([b"task", b"result"])


@given(keys, purposes, owners, st.binary())
def test_what_was_sealed_comes_back(key: bytes, purpose: bytes, owner: tuple[str, ...], value: bytes) -> None:
    assert Seal(key).take(purpose, owner, Seal(key).put(purpose, owner, value)) == value


@given(st.tuples(keys, purposes, owners, st.binary()), st.tuples(keys, purposes, owners), st.booleans(), st.binary())
def test_nothing_else_does(
    sealed: tuple[bytes, bytes, tuple[str, ...], bytes],
    taken: tuple[bytes, bytes, tuple[str, ...]],
    is_changed: bool,
    garbage: bytes,
) -> None:
    """Of another key, for another purpose, of another owner, or changed."""
    key, purpose, owner, value = sealed
    whole = Seal(key).put(purpose, owner, value)
    found = garbage if is_changed else whole
    if (found, *taken) == (whole, *sealed[:3]):
        return
    with pytest.raises(Forged):
        Seal(taken[0]).take(taken[1], taken[2], found)


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
