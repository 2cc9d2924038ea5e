"""`mpcsfaas plugins new`: what it writes, and what it refuses. That it works is in test_fresh_environment.py."""

from pathlib import Path

import pytest

from mpcsfaas.errors import PluginError, SettingsError
from mpcsfaas.plugins.skeleton import SkeletonKind, skeleton, write_skeleton
from mpcsfaas.testing.command_line import CommandLine

FILES = {
    "README.md",
    "pyproject.toml",
    "src/mpcsfaas_my_own/__init__.py",
    "src/mpcsfaas_my_own/py.typed",
    "tests/test_my_own.py",
}


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", SkeletonKind)
def test_nothing_is_left_to_fill_in(kind: SkeletonKind) -> None:
    written = skeleton("my_own", kind)

    assert set(written) == FILES
    assert not any("$" in content for content in written.values())
    assert 'my_own = "mpcsfaas_my_own"' in written["pyproject.toml"]


def test_it_is_written_to_a_folder_of_its_name_or_one_that_is_given(tmp_path: Path) -> None:
    mpcsfaas = CommandLine(tmp_path)

    printed = mpcsfaas("plugins", "new", "my_own", "--kind", "detector").output
    mpcsfaas("plugins", "new", "my_own", "--kind", "storage", "--folder", "deep/down")

    assert "pip install --editable mpcsfaas-my-own" in printed
    assert files_in(tmp_path / "mpcsfaas-my-own") == files_in(tmp_path / "deep" / "down") == FILES


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (("Upper", "--kind", "detector"), "cannot be called 'Upper'"),
        (("../up", "--kind", "detector"), "cannot be called '../up'"),
        (("push", "--kind", "dispatch"), "There is a plugin 'push' already"),
        (("storage_redis", "--kind", "storage"), "There is a package mpcsfaas_storage_redis already"),
        (("mine", "--kind", "stroage"), "'stroage' is not one of"),
        (("mine",), "Missing option '--kind'"),
        (("mine", "--kind", "storage", "--folder", "."), "exists already"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, words: tuple[str, ...], cause: str) -> None:
    assert cause in CommandLine(tmp_path).error("plugins", "new", *words, code=2)
    assert files_in(tmp_path) == set()


def test_an_existing_file_or_broken_link_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "file").write_text("mine")

    for name in ("link", "file"):
        with pytest.raises(SettingsError, match="exists already"):
            write_skeleton("my_own", SkeletonKind.DISPATCH, tmp_path / name)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")

    with pytest.raises(SettingsError, match="Cannot write"):
        write_skeleton("my_own", SkeletonKind.DISPATCH, tmp_path / "file" / "below")


def test_a_name_that_is_taken_is_an_error_of_plugins() -> None:
    with pytest.raises(PluginError, match="would hide"):
        skeleton("storage_sqlite", SkeletonKind.STORAGE)
