"""The commands of docs/rest.md, section "With curl", print what it says."""

import os
import re
import signal
import subprocess
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


def printed_by(commands: str, folder: Path, environment: dict[str, str]) -> list[str]:
    """The lines that commands print. The whole group ends: a stream's reader would be left for some seconds."""
    output = folder / "output"
    with output.open("wb") as file:
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", commands], cwd=folder, env=environment,
            stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
        )  # fmt: skip
        try:
            code = process.wait(PATIENCE)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert code == 0, output.read_text()
    return output.read_text().splitlines()


def test_every_command_prints_what_is_shown(platform: PlatformProcess, shell: dict[str, str], tmp_path: Path) -> None:
    commands = "".join(blocks("bash"))
    assert commands.startswith(ADDRESS)
    printed = printed_by(commands.replace(ADDRESS, f"URL={platform.url}\n"), tmp_path, shell)
    shown = "".join(blocks("text")).splitlines()
    assert len(printed) == len(shown), "\n".join(printed)
    for line, pattern in zip(printed, shown, strict=True):
        assert re.fullmatch(".*".join(map(re.escape, pattern.split(ANYTHING))), line), f"{line} is not {pattern}"
