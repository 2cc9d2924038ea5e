"""The files of keys: who can read them, who makes them, and what becomes of bad ones."""

import os
import stat
import sys
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from mpcsfaas.curve import AllowList, Keyring, WorkerKey
from mpcsfaas.curve.key_files import new_pair, read
from mpcsfaas.errors import SettingsError


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "state")


def admitted(allow_list: AllowList) -> set[str]:
    allow_list.look()
    return set(allow_list.names().values())


def test_keys_are_for_their_owner_alone_whatever_the_umask(keyring: Keyring, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        keyring.dispatcher_key()
        keyring.create("gpu-1", tmp_path / "gpu-1.key")
    finally:
        os.umask(before)
    made = [tmp_path / "gpu-1.key", keyring.folder.parent, *keyring.folder.parent.rglob("*")]
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in made}
    assert len(modes) == 9
    assert modes == {path: 0o700 if path.is_dir() else 0o600 for path in made}


def test_a_key_stays_what_it_is(keyring: Keyring) -> None:
    dispatcher, own = keyring.dispatcher_key(), keyring.own_key()
    again = Keyring(keyring.folder.parent)
    assert (again.dispatcher_key(), again.own_key()) == (dispatcher, own)
    assert own.dispatcher_key == dispatcher.public_key
    keyring.allow_list.look()
    assert keyring.allow_list.names() == {own.public_key: "local"}


RACER = """
import sys
from pathlib import Path
from mpcsfaas.curve import Keyring

print("ready", flush=True)
for line in sys.stdin:
    keyring = Keyring(Path(line.strip()))
    print(repr((keyring.own_key(), keyring.dispatcher_key())), flush=True)
"""


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    """They are told of each of many folders at once."""
    with ExitStack() as ends:
        command = [sys.executable, "-c", RACER]
        racers = [ends.enter_context(Popen(command, stdin=PIPE, stdout=PIPE, text=True)) for _ in range(3)]
        assert [tell(racer) for racer in racers] == ["ready"] * 3
        for number in range(20):
            for racer in racers:
                tell(racer, f"{tmp_path}/{number}")
            [made] = {tell(racer) for racer in racers}
            keyring = Keyring(tmp_path / str(number))
            assert made == repr((keyring.own_key(), keyring.dispatcher_key()))
            keyring.allow_list.look()
            assert keyring.allow_list.names() == {keyring.own_key().public_key: "local"}


def tell(racer: "Popen[str]", line: str = "") -> str:
    """Write a line to a process, or else read one of it."""
    assert racer.stdin
    assert racer.stdout
    if line:
        racer.stdin.write(f"{line}\n")
        racer.stdin.flush()
        return line
    return racer.stdout.readline().strip()


def test_a_dispatcher_with_a_new_key_has_its_own_workers_learn_it(keyring: Keyring) -> None:
    before = keyring.own_key()
    keyring.dispatcher_file.unlink()
    after = keyring.own_key()
    assert after.dispatcher_key == keyring.dispatcher_key().public_key != before.dispatcher_key
    keyring.allow_list.look()
    assert keyring.allow_list.names() == {after.public_key: "local"}


def test_own_workers_that_were_revoked_stay_so(keyring: Keyring) -> None:
    keyring.own_key()
    keyring.revoke("local")
    keyring.own_key()
    keyring.dispatcher_key()
    assert admitted(keyring.allow_list) == set()


def test_a_making_that_was_cut_short_is_begun_anew(keyring: Keyring) -> None:
    """The worker is admitted before its file is there."""
    keyring.dispatcher_key()
    keyring.own_file.unlink()
    own = keyring.own_key()
    keyring.allow_list.look()
    assert keyring.allow_list.names() == {own.public_key: "local"}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_secret_that_others_can_read_is_not_used(keyring: Keyring, mode: int) -> None:
    keyring.dispatcher_key()
    keyring.dispatcher_file.chmod(mode)
    with pytest.raises(SettingsError, match=f"open to other users.*chmod 600 {keyring.dispatcher_file}"):
        keyring.own_key()


def test_a_folder_in_which_others_could_admit_workers_is_not_used(keyring: Keyring) -> None:
    keyring.dispatcher_key()
    keyring.folder.chmod(0o770)
    with pytest.raises(SettingsError, match=f"chmod 700 {keyring.folder}"):
        keyring.dispatcher_key()


def test_a_folder_that_cannot_be_written_is_told_with_all_ways_out(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=r"MPCSFAAS_STATE_DIR.*--worker-key FILE.*--insecure-plaintext"):
        Keyring(tmp_path / "file" / "state").own_key()


@pytest.mark.parametrize("text", ["", "no TOML", 'name = "w"', 'public-key = "short"\nsecret-key = "short"'])
def test_what_is_no_key_file_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "worker.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(SettingsError, match=f"{path} is no key file"):
        read(path, WorkerKey)


def test_a_key_file_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        read(tmp_path / "worker.key", WorkerKey)


@pytest.mark.parametrize("name", ["", "../w", "a/b", ".hidden", "a b", "ä", "x" * 65])
def test_a_name_that_is_none_is_refused(keyring: Keyring, tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="is no name for a key"):
        keyring.create(name, tmp_path / "worker.key")
    with pytest.raises(SettingsError, match="is no name for a key"):
        keyring.revoke(name)


def test_a_name_is_given_once_and_a_file_never_overwritten(keyring: Keyring, tmp_path: Path) -> None:
    keyring.create("w", tmp_path / "w.key")
    with pytest.raises(SettingsError, match="There is a worker key 'w' already"):
        keyring.create("w", tmp_path / "other.key")
    with pytest.raises(SettingsError, match="is there already"):
        keyring.create("v", tmp_path / "w.key")
    with pytest.raises(SettingsError, match="cannot be kept"):
        keyring.create("v", tmp_path / "w.key" / "below")
    assert admitted(keyring.allow_list) == {"w"}


def test_the_list_follows_its_folder(keyring: Keyring, tmp_path: Path) -> None:
    removed: list[Collection[str]] = []
    allow_list = AllowList(keyring.allow_list.folder)
    allow_list.on_removal = removed.append
    assert admitted(allow_list) == set()
    first = keyring.create("w", tmp_path / "1.key")
    assert admitted(allow_list) == {"w"}
    assert allow_list.name_of(first.public_key) == "w"
    keyring.revoke("w")
    second = keyring.create("w", tmp_path / "2.key")
    assert admitted(allow_list) == {"w"}
    assert (allow_list.name_of(first.public_key), allow_list.name_of(second.public_key)) == (None, "w")
    assert removed == [{"w"}], "the old key is no longer admitted, whoever has the name"
    allow_list.look()
    assert removed == [{"w"}]


def test_an_entry_that_cannot_be_read_admits_nobody_and_hinders_nobody(
    keyring: Keyring, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keyring.create("w", tmp_path / "w.key")
    (keyring.allow_list.folder / "broken.pub").write_text("?")
    (keyring.allow_list.folder / "w.pub~").write_text(f'public-key = "{new_pair()[0]}"')
    assert admitted(keyring.allow_list) == {"w"}
    assert "broken.pub is no key file" in caplog.text


def test_a_folder_that_is_gone_admits_nobody(keyring: Keyring, tmp_path: Path) -> None:
    keyring.create("w", tmp_path / "w.key")
    assert admitted(keyring.allow_list) == {"w"}
    keyring.revoke("w")
    keyring.allow_list.folder.rmdir()
    assert admitted(keyring.allow_list) == set()
