"""`mpcsfaas demo`: real work, honest figures, and nothing left behind, however it ends."""

import signal
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mpcsfaas.cli.source_analysis import analyse
from mpcsfaas.testing.command_line import CommandLine
from mpcsfaas.testing.platform import wait_until

SMALL = str(Path(sysconfig.get_path("stdlib")) / "json")


@pytest.fixture
def temporary(tmp_path: Path) -> Iterator[Path]:
    """Where temporary files go; nothing may be left in it, and no process that was told of it may run."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    yield folder
    wait_until(lambda: not processes_told_of(folder), what="the end of every process")
    assert list(folder.iterdir()) == []


def processes_told_of(folder: Path) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if environment(process).get("TMPDIR") == str(folder)]


def environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return {}


def start(alone: CommandLine, temporary: Path, **variables: str) -> "subprocess.Popen[str]":
    return alone.start("demo", SMALL, TMPDIR=str(temporary), **variables)


def test_it_works_and_tells_the_truth(alone: CommandLine, temporary: Path) -> None:
    (alone.folder / "mpcsfaas.toml").write_text("port = 'the demo reads no settings of the user'\n")
    output, errors = (process := start(alone, temporary, MPCSFAAS_STORAGE="nonsense://")).communicate(timeout=100)
    assert (process.returncode, errors) == (0, "")
    lines = {path: analyse(str(path))[0] for path in Path(SMALL).rglob("*.py")}
    assert f"Analysing the {len(lines)} Python files of {SMALL}, each a task, on " in output
    assert f"In all: {len(lines)} files, {sum(lines.values()):,} lines, " in output
    assert max(lines, key=lambda path: lines[path]).name in output
    for error in ("ZeroDivisionError: division by zero", "TaskTimeout: ", "TaskCrashed: ", "TaskCancelled: "):
        assert error in output
    assert "SIGSEGV" in output
    assert "return dividend / divisor" in output
    assert "tasks/s" in output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_cleans_up_when_it_is_stopped(alone: CommandLine, temporary: Path, number: int) -> None:
    process = start(alone, temporary)
    assert process.stdout is not None
    while "Analysing" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == 128 + number


def test_it_cleans_up_when_it_is_stopped_while_it_starts(alone: CommandLine, temporary: Path) -> None:
    process = start(alone, temporary)
    wait_until(lambda: list(temporary.glob("mpcsfaas-*/ready.json*")) or list(temporary.glob("mpcsfaas-*/log")), 60)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM


def test_a_file_that_does_not_parse_is_a_failed_task(alone: CommandLine, temporary: Path) -> None:
    (alone.folder / "good.py").write_text("def f():\n    return 1 if True else 2\n")
    (alone.folder / "bad.py").write_text("def f(:\n")
    process = alone.start("demo", ".", TMPDIR=str(temporary))
    output, _ = process.communicate(timeout=100)
    assert process.returncode == 0
    assert "In all: 1 files, 2 lines, 1 functions, 1 branches." in output
    assert "failed tasks (SyntaxError): 1, such as bad.py." in output


@pytest.mark.parametrize(
    ("folder", "complaint"), [("empty", "There is no Python file in"), ("missing", "does not exist")]
)
def test_a_folder_without_python_is_wrong_usage(alone: CommandLine, folder: str, complaint: str) -> None:
    (alone.folder / "empty").mkdir()
    assert complaint in alone.error("demo", folder, code=2)


def test_a_file_is_measured(tmp_path: Path) -> None:
    path = tmp_path / "measured.py"
    path.write_text(
        "def short(): pass\n"
        "async def longer(items):\n"
        "    for item in items:\n"
        "        if item and items or [x for x in items]:\n"
        "            match item:\n"
        "                case 1: pass\n"
        "                case _: pass\n"
        "    return 1 if items else 2\n"
        "try:\n"
        "    while False: pass\n"
        "except ValueError: pass\n"
    )
    assert analyse(str(path)) == (11, 2, 10, "longer", 7)
    path.write_text("")
    assert analyse(str(path)) == (0, 0, 0, "", 0)
