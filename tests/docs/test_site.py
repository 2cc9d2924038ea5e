"""The documentation builds without a warning, leads to what exists, and fetches nothing from elsewhere."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOL = Path(sys.executable).with_name("zensical")
RESOURCE = re.compile(
    r"<(?:script|img|iframe|source)[^>]*src=\"(https?:)?//|<link[^>]*rel=\"stylesheet\"[^>]*href=\"(https?:)?//"
)


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(TOOL), "build", "--strict", "--clean"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=110, check=False)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the site is made of, where it may be written to."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(ROOT / "mkdocs.yml", folder)
    shutil.copytree(ROOT / "docs", folder / "docs")
    (folder / "core").symlink_to(ROOT / "core")
    return folder


def test_the_site_builds_without_a_warning(sources: Path) -> None:
    done = build(sources)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = list((sources / "build/site").glob("*.html"))
    assert len(pages) > 20
    assert [page.name for page in pages if RESOURCE.search(page.read_text())] == []


def test_a_link_that_leads_nowhere_is_a_warning(sources: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(sources, broken, symlinks=True, ignore=shutil.ignore_patterns("build", ".cache"))
    with (broken / "docs/index.md").open("a") as page:
        page.write("\n[nowhere](nowhere.md)\n")
    assert build(broken).returncode != 0


def test_every_page_is_in_the_navigation() -> None:
    named = set(re.findall(r"\b([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    assert {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")} == named
