"""Which settings file is read, and what is said of one that cannot be."""

from pathlib import Path

import pytest

from mpcsfaas.errors import SettingsError
from mpcsfaas.settings import Configuration


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MPCSFAAS_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_no_file_is_needed(folder: Path) -> None:
    settings = Configuration.read().settings

    assert settings.port == 8000
    assert settings.storage == f"sqlite:///{folder}/state/mpcsfaas/mpcsfaas.db"


def test_a_relative_xdg_folder_is_ignored(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("XDG_STATE_HOME", "relative")

    assert Configuration.read().settings.state_dir == folder / ".local/state/mpcsfaas"


def test_one_file_is_read_and_the_nearest_comes_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder / "config/mpcsfaas/mpcsfaas.toml", "port = 1\nhost = 'far'")
    ports = [Configuration.read().settings.port]
    write(folder / "mpcsfaas.toml", "port = 2")
    ports.append(Configuration.read().settings.port)
    monkeypatch.setenv("MPCSFAAS_CONFIG", str(write(folder / "third.toml", "port = 3")))
    ports.append(Configuration.read().settings.port)
    nearest = Configuration.read(config=write(folder / "fourth.toml", "port = 4")).settings
    monkeypatch.setenv("MPCSFAAS_PORT", "5")
    ports += [nearest.port, Configuration.read().settings.port]

    assert ports == [1, 2, 3, 4, 5]
    assert nearest.host == "127.0.0.1"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"port = ", r"odd\.toml is not TOML: Invalid value \(at end of document\)"),
        (b"\xff\xfe", r"odd\.toml is not TOML: .*invalid start byte"),
    ],
)
def test_a_file_that_is_not_toml_is_named(folder: Path, content: bytes, message: str) -> None:
    (folder / "odd.toml").write_bytes(content)

    with pytest.raises(SettingsError, match=message):
        Configuration.read(config=folder / "odd.toml")


def test_a_file_that_was_named_must_be_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml cannot be read: No such file or directory"):
        Configuration.read(config=Path("none.toml"))
    monkeypatch.setenv("MPCSFAAS_CONFIG", str(folder))
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        Configuration.read()
