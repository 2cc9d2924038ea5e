"""Every command and option of the client has its place in the docs."""

from pathlib import Path

import pytest

from mpcsfaas.cli.group import COMMANDS

PAGE = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented(command: str) -> None:
    assert f"`{command}" in PAGE
