"""Every hook is on the page for authors, is named by a test, and is used by a plugin of this repository."""

import inspect
import re
from pathlib import Path

import pytest

from mpcsfaas import hookspecs

ROOT = Path(__file__).parents[2]
HOOKS = [name for name, _ in inspect.getmembers(hookspecs, inspect.isfunction) if name.startswith("mpcsfaas_")]


def sources(*folders: str) -> str:
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*.py") if path != Path(__file__)]
    return "\n".join(path.read_text() for path in paths)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_is_documented_tested_and_used(hook: str) -> None:
    assert f"`{hook}(" in (ROOT / "docs/plugins.md").read_text()
    assert inspect.getdoc(getattr(hookspecs, hook))
    called = hook.removeprefix("mpcsfaas_")  # As `Plugins` names what calls it.
    assert re.search(rf"\b(mpcsfaas_)?{called}\b", sources("tests"))
    assert f"def {hook}(" in sources("plugins", "serializers", "examples") + (ROOT / "docs/plugins.md").read_text()


def test_the_reference_has_all_hooks_and_all_kinds() -> None:
    assert "::: mpcsfaas.hookspecs" in (ROOT / "docs/reference/hooks.md").read_text()
    page = (ROOT / "docs/reference/interfaces.md").read_text()
    modules = [path.stem for path in (ROOT / "core/mpcsfaas/interfaces").glob("[a-z]*.py")]
    assert [name for name in modules if f"::: mpcsfaas.interfaces.{name}" not in page] == []
