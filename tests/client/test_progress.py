"""Bars of progress: on a terminal, in a notebook of a real Jupyter kernel, and for nobody."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from mpcsfaas.client.progress import ProgressBar, in_notebook
from mpcsfaas.testing.platform import PlatformProcess

PROGRAM = """
from mpcsfaas import Client
with Client({url!r}) as client:
    print(sum(client.map(abs, range(40), batch_size=5)))
    print(client.gather(client.submit_many(abs, [(-1,), (-2,)])))
"""
SILENT = """
with Client({url!r}) as client:
    print(list(client.map(abs, range(9), progress=False)))
"""


def output_on_terminal(command: list[str]) -> str:
    """Standard error of a command, that is a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command, stderr=theirs, stdout=subprocess.DEVNULL, env=os.environ | {"TERM": "xterm", "COLUMNS": "80"}
    )
    os.close(theirs)
    written = b""
    with suppress(OSError):  # EIO, when nobody has the other end any more
        while data := os.read(ours, 65536):
            written += data
    os.close(ours)
    assert process.wait(60) == 0
    return written.decode()


def test_on_a_terminal(platform: PlatformProcess) -> None:
    written = output_on_terminal([sys.executable, "-c", PROGRAM.format(url=platform.url)])
    plain = re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]", "", written)
    assert "40/40" in plain
    assert "2/2" in plain
    assert "━━━━" in plain


def test_for_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressBar(3, None) as bar:
        bar.advance()
    assert capsys.readouterr() == ("", "")
    assert not in_notebook()


def test_an_unknown_total(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressBar(None, True) as bar:
        for _ in range(7):
            bar.advance()
    assert "7/?" in capsys.readouterr().err


# In a notebook


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[BlockingKernelClient]:
    """A kernel as notebooks have it."""
    manager = KernelManager(kernel_name="python3", transport="ipc", ip=str(tmp_path / "kernel"))
    folders = dict.fromkeys(("HOME", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"), str(tmp_path))
    manager.start_kernel(env=os.environ | folders, cwd=str(tmp_path))
    client = manager.blocking_client()
    try:
        client.start_channels()
        client.wait_for_ready(60)
        yield client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()


def run_cell(kernel: BlockingKernelClient, code: str) -> list[dict[str, Any]]:
    """The messages that a cell's run makes, which a notebook would show."""
    messages: list[dict[str, Any]] = []
    kernel.execute_interactive(code, timeout=60, output_hook=messages.append)
    return messages


def test_in_a_notebook(kernel: BlockingKernelClient, platform: PlatformProcess) -> None:
    messages = run_cell(kernel, PROGRAM.format(url=platform.url))
    kinds = [message["msg_type"] for message in messages]
    assert "error" not in kinds, messages
    shown = [message["content"]["data"] for message in messages if "display_data" in message["msg_type"]]
    assert [kind for kind in kinds if kind == "display_data"] == ["display_data"] * 2, "one output for each bar"
    assert "0/40" in shown[0]["text/plain"]
    assert any("40/40" in data["text/plain"] and "<pre" in data["text/html"] for data in shown)
    assert "2/2" in shown[-1]["text/plain"]
    streams = [message["content"] for message in messages if message["msg_type"] == "stream"]
    assert "".join(each["text"] for each in streams) == "780\n[1, 2]\n"
    assert {each["name"] for each in streams} == {"stdout"}, "no warning on standard error"
    assert visible(run_cell(kernel, SILENT.format(url=platform.url))) == {"stream"}, "not wanted, so not shown"


def visible(messages: list[dict[str, Any]]) -> set[str]:
    """The kinds of what a cell shows."""
    return {message["msg_type"] for message in messages} - {"status", "execute_input"}
