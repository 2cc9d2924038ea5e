"""The programs of pages that are not done as a whole elsewhere (the SDK's, the tutorial, plugins)."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mpcsfaas.testing.platform import PlatformProcess

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", "docs/observability.md"]
ELSEWHERE = ["docs/sdk.md", "docs/plugins.md", "docs/tutorial.md", "docs/testing_plugins.md"]
PROGRAM = re.compile(r"^```python.*?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAMS = [
    (page, number, text) for page in PAGES for number, text in enumerate(PROGRAM.findall((ROOT / page).read_text()))
]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformProcess]:
    with PlatformProcess(tmp_path_factory.mktemp("platform"), "--workers", "1") as started:
        yield started


@pytest.mark.parametrize(("page", "number", "program"), PROGRAMS, ids=lambda value: str(value)[:20])
def test_a_program_runs(page: str, number: int, program: str, platform: PlatformProcess, tmp_path: Path) -> None:
    """And prints what its comments say."""
    script = tmp_path / "program.py"
    script.write_text(program.replace("http://127.0.0.1:8000", platform.url))
    environment = {"MPCSFAAS_URL": platform.url, "HOME": str(tmp_path), "OTEL_EXPORTER_OTLP_ENDPOINT": platform.url}
    command = [sys.executable, str(script)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, f"{page}, program {number}: {done.stderr}"
    expected = re.findall(r"^ *print\(.*\)  # (.+)$", program, re.MULTILINE)
    assert done.stdout.splitlines()[: len(expected)] == expected or not expected


def test_every_program_is_run_somewhere() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    having = {str(page.relative_to(ROOT)) for page in pages if PROGRAM.search(page.read_text())}
    assert having == {*PAGES, *ELSEWHERE}
