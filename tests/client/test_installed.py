"""Which modules travel by value."""

import importlib
import importlib.machinery
import sys
from pathlib import Path
from types import ModuleType

import hypothesis
import pytest

import mpcsfaas.model
from mpcsfaas.client.installed import OwnModules, is_installed


@pytest.mark.parametrize(
    "module", [sys, importlib, hypothesis, importlib.import_module("msgspec._core"), mpcsfaas.model, pytest]
)
def test_what_workers_have(module: ModuleType) -> None:
    assert is_installed(module)


def test_main_travels_by_value_anyhow() -> None:
    assert is_installed(ModuleType("__main__"))


def module_at(path: Path, name: str = "mine") -> ModuleType:
    module = ModuleType(name)
    module.__file__ = str(path)
    return module


def test_a_source_tree_is_the_users_own(tmp_path: Path) -> None:
    assert not is_installed(module_at(tmp_path / "mine.py"))


def test_a_module_of_a_project_installed_as_editable_is_the_users_own() -> None:
    """Its code lies outside of site-packages; only a pointer to it is inside."""
    assert not is_installed(importlib.import_module("mpcsfaas_serializers.json"))


def test_a_folder_that_an_installer_filled_counts_as_installed(tmp_path: Path) -> None:
    (tmp_path / "mine-1.0.dist-info").mkdir()
    assert is_installed(module_at(tmp_path / "mine" / "sub" / "code.py", "mine.sub.code"))
    assert is_installed(module_at(tmp_path / "mine.py"))


def test_a_distribution_further_up_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "other-1.0.dist-info").mkdir()
    assert not is_installed(module_at(tmp_path / "work" / "scripts" / "mine.py"))


def test_extension_modules_cannot_travel(tmp_path: Path) -> None:
    suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
    assert is_installed(module_at(tmp_path / f"mine{suffix}"))


def test_a_namespace_package_is_installed_if_all_of_it_is(tmp_path: Path) -> None:
    module = ModuleType("space")
    site_packages = str(Path(pytest.__file__).parents[1] / "space")
    module.__path__ = [site_packages]
    assert is_installed(module)
    module.__path__ = [site_packages, str(tmp_path / "space")]
    assert not is_installed(module)


def test_the_user_has_the_last_word(tmp_path: Path) -> None:
    mine = module_at(tmp_path / "pack" / "mine.py", "pack.mine")
    assert mine in OwnModules()
    assert mine not in OwnModules(by_reference=["pack"])
    assert mine in OwnModules(by_reference=["pack"], by_value=["pack.mine"])
    assert hypothesis in OwnModules(by_value=["hypothesis"])
    assert mine in OwnModules(by_reference=["pac"])
