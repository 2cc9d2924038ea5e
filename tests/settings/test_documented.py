"""The table of settings is complete and true."""

from pathlib import Path

import pytest

from mpcsfaas.cli.configured import default_text
from mpcsfaas.settings import Settings

DOCUMENT = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()
ROWS = [line for line in DOCUMENT.splitlines() if line.startswith("| `")]
COMPUTED = {
    "state_dir": "`$XDG_STATE_HOME/mpcsfaas`, or `~/.local/state/mpcsfaas`",
    "storage": "`sqlite:///STATE_DIR/mpcsfaas.db`",
}
"""Defaults that depend on the user."""


@pytest.mark.parametrize("name", Settings.model_fields)
def test_each_setting_has_its_row(name: str) -> None:
    default = default_text(Settings, name)
    shown = COMPUTED.get(name, f"`{default}`" if default else "")

    assert f"| `{name}` | {shown} | {Settings.model_fields[name].description} |" in ROWS


def test_no_row_is_left_over() -> None:
    assert len(ROWS) == len(Settings.model_fields)
