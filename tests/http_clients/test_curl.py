"""The commands of docs/rest.md, section "With curl", print what it says."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from mpcsfaas.testing.platform import PlatformProcess

PAGE = Path(__file__).parents[2] / "docs" / "rest.md"
SECTION = re.search(r"^## With curl\n(.*?)^## ", PAGE.read_text(), re.DOTALL | re.MULTILINE)
ADDRESS = "URL=http://localhost:8000\n"
ANYTHING = "…"
PATIENCE = 60


def blocks(kind: str) -> list[str]:
    assert SECTION
    return re.findall(rf"```{kind}\n(.*?)```", SECTION[1], re.DOTALL)


def printed_by(commands: str, folder: Path) -> list[str]:
    """The lines that commands print. The whole group ends: a stream's reader would be left for some seconds."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MPCSFAAS_")}
    variables = {"HOME": str(folder), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    output = folder / "output"
    with output.open("wb") as file:
        shell = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", commands], cwd=folder, env=inherited | variables,
            stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
        )  # fmt: skip
        try:
            code = shell.wait(PATIENCE)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
            shell.wait()
    assert code == 0, output.read_text()
    return output.read_text().splitlines()


def test_every_command_prints_what_is_shown(platform: PlatformProcess, tmp_path: Path) -> None:
    commands = "".join(blocks("bash"))
    assert commands.startswith(ADDRESS)
    printed = printed_by(commands.replace(ADDRESS, f"URL={platform.url}\n"), tmp_path)
    shown = "".join(blocks("text")).splitlines()
    assert len(printed) == len(shown), "\n".join(printed)
    for line, pattern in zip(printed, shown, strict=True):
        assert re.fullmatch(".*".join(map(re.escape, pattern.split(ANYTHING))), line), f"{line} is not {pattern}"
