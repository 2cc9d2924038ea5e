"""What the documents say that a test shows, a test of that name shows."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PATH = re.compile(r"`(tests/[\w/.]+)`")
LINE_WITH_NAMES = re.compile(r"`(test_\w+)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    assert [name for name in PATH.findall(page.read_text()) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    names = set(LINE_WITH_NAMES.findall(page.read_text()))
    defined = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py")) if names else ""
    assert {name for name in names if f"def {name}(" not in defined} == set()


def test_every_threat_has_a_test() -> None:
    """A row of the threat model's tables of threats ends with the file that shows it."""
    rows = re.findall(r"^\| .* \|$", (ROOT / "docs/threat_model.md").read_text(), re.MULTILINE)
    threats = [row for row in rows if len(row.split(" | ")) == 3 and not row.startswith("| threat |")]
    assert threats
    assert [row for row in threats if not PATH.search(row.split(" | ")[-1])] == []
