"""The tutorial, done as it is written: each file saved, each command typed, each output seen."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import NamedTuple

import pytest

from mpcsfaas.testing.platform import free_port

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
PATIENCE = 60.0
BLOCK = re.compile(r'^```(?P<language>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^```$', re.MULTILINE | re.DOTALL)
INTERRUPT = "^C"
LOOK_AGAIN = 5.0
REPEATABLE = {"mpcsfaas workers"}
"""Commands that one types again when they do not show yet what has just begun."""


class Step(NamedTuple):
    """A command, and what is to be seen after it; `…` stands for anything."""

    command: str
    output: list[str]


def steps(text: str) -> Iterator[Step]:
    """Those of one block."""
    for part in re.split(r"^(?=\$ |\^C$)", text, flags=re.MULTILINE):
        if part:
            command, _, output = part.partition("\n")
            yield Step(command.removeprefix("$ "), output.splitlines())


class Terminal:
    """A shell that somebody types into."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._shell = subprocess.Popen(
            ["bash"],
            cwd=folder,
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._lines: Queue[str] = Queue()
        self._seen = ""
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._shell.stdout
        for line in self._shell.stdout:
            self._lines.put(line.rstrip("\n"))

    def type(self, command: str) -> None:
        """Send a line. What comes from now on is what it says."""
        self._seen = ""
        assert self._shell.stdin
        self._shell.stdin.write(f"{command}\n")
        self._shell.stdin.flush()

    def see(self, expected: list[str], patience: float = PATIENCE) -> str | None:
        """Wait until these lines have come, with whatever between them where it says so; else what came instead."""
        pattern = as_pattern(expected)
        end = time.monotonic() + patience
        while not pattern.search(self._seen):
            try:
                self._seen += self._lines.get(timeout=max(0.0, end - time.monotonic())) + "\n"
            except Empty:
                return self._seen
        return None

    def interrupt(self) -> None:
        """Press Ctrl-C, and wait until what ran has ended; the shell goes on."""
        os.killpg(self._shell.pid, signal.SIGINT)
        self.type("echo interrupted")
        self.see(["interrupted"])

    def close(self) -> None:
        """End the shell and what it runs."""
        os.killpg(self._shell.pid, signal.SIGTERM)
        self._shell.wait(PATIENCE)
        self._reader.join(PATIENCE)
        for pipe in (self._shell.stdin, self._shell.stdout):
            assert pipe
            pipe.close()


def as_pattern(lines: list[str]) -> re.Pattern[str]:
    """The lines, each of which may be part of a longer one; `…` alone stands for any number of lines."""
    parts = [".*" if line == "…" else f".*?{re.escape(line)}.*?\n".replace("…", ".*?") for line in lines]
    return re.compile("".join(part if part == ".*" else f"(?-s:{part})" for part in parts), re.DOTALL)


class Desk:
    """All terminals, and the folder in which the tutorial is done."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = {usual: str(free_port()) for usual in ("8000", "5555")}
        self._environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "MPCSFAAS_PORT": self._ports["8000"],
            "MPCSFAAS_URL": f"http://127.0.0.1:{self._ports['8000']}",
            "COLUMNS": "200",
        }
        self._terminals: dict[str, Terminal] = {}

    def terminal(self, title: str) -> Terminal:
        """The terminal of this title, opened if it is not."""
        if title not in self._terminals:
            self._terminals[title] = Terminal(self._folder, self._environment)
        return self._terminals[title]

    def do(self, step: Step, title: str) -> None:
        """One step."""
        if step.command == INTERRUPT:
            self._terminals[title].interrupt()
            return
        terminal, expected = self.terminal(title), [self._here(line) for line in step.output]
        terminal.type(self._here(step.command))
        seen = terminal.see(expected, LOOK_AGAIN)
        if seen is not None and step.command in REPEATABLE:
            terminal.type(step.command)
        if seen is not None and (seen := terminal.see(expected)) is not None:
            pytest.fail("\n".join(["Expected", *expected, "but saw", seen]))

    def _here(self, text: str) -> str:
        """With ports that are free, in place of the usual ones."""
        for usual, port in self._ports.items():
            text = text.replace(usual, port)
        return text

    def save(self, name: str, text: str) -> None:
        """A file."""
        (self._folder / name).write_text(text)

    def close(self) -> None:
        """Close every terminal."""
        for terminal in self._terminals.values():
            terminal.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


def test_the_tutorial_works_as_it_is_written(desk: Desk) -> None:
    blocks = list(BLOCK.finditer(PAGE.read_text()))
    assert {block["language"] for block in blocks} == {"python", "console"}
    for block in blocks:
        if block["language"] == "python":
            desk.save(block["title"], block["text"])
        else:
            for step in steps(block["text"]):
                desk.do(step, block["title"] or "")


@pytest.mark.parametrize(
    ("lines", "seen", "is_match"),
    [
        (["12"], "12\n", True),
        (["12"], "13\n", False),
        (["a … c"], "a b c d\n", True),
        (["a", "b"], "a\nx\nb\n", False),
        (["a", "…", "b"], "a\nx\ny\nb\n", True),
        (["a", "b"], "b\na\n", False),
    ],
)
def test_what_is_expected_is_looked_for(lines: list[str], seen: str, is_match: bool) -> None:
    assert bool(as_pattern(lines).search(seen)) is is_match
