"""The examples of `docs/sdk.md`, run as one script."""

import re
import subprocess
import sys
from pathlib import Path

from mpcsfaas.client import errors
from mpcsfaas.model import TaskOptions
from mpcsfaas.testing.platform import PlatformProcess

PAGE = (Path(__file__).parents[2] / "docs" / "sdk.md").read_text()


def test_the_examples_work(platform: PlatformProcess, tmp_path: Path) -> None:
    examples = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(examples) > 5
    script = tmp_path / "examples.py"
    script.write_text("\n".join(examples))
    environment = {"MPCSFAAS_URL": platform.url}
    command = [sys.executable, str(script)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90, check=False)
    assert (done.stdout, done.stderr) == ("1024\n", "")


def test_every_exception_is_on_the_page() -> None:
    own = {name for name, value in vars(errors).items() if getattr(value, "__module__", "") == errors.__name__}
    assert [name for name in sorted(own) if f"`{name}`" not in PAGE] == []


def test_every_option_is_on_the_page() -> None:
    assert [name for name in TaskOptions.__struct_fields__ if f"`{name}`" not in PAGE] == []
