"""What is shipped: one wheel with every root, whose plugins all load."""

import json
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True, stdin=subprocess.DEVNULL)
    [built] = folder.glob("*.whl")
    return built


def test_every_folder_with_an_import_root_is_in_the_wheel_and_in_editable_installs(wheel: Path) -> None:
    roots = {
        path.parent for path in [*ROOT.glob("plugins/*/mpcsfaas_*/__init__.py"), *ROOT.glob("*/mpcsfaas*/__init__.py")]
    }
    packages = {str(root.relative_to(ROOT)) for root in roots}
    build = PROJECT["tool"]["hatch"]["build"]
    assert set(build["targets"]["wheel"]["packages"]) == packages
    assert set(build["dev-mode-dirs"]) == {str(Path(package).parent) for package in packages}
    shipped = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {Path(package).name for package in packages} <= shipped
    assert not shipped & {"core", "plugins", "serializers", "tests", "utils"}, "these names are the users'"


def test_an_installed_wheel_runs_and_all_its_plugins_load(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    program = f"import sys; sys.path.insert(0, {str(site)!r}); import mpcsfaas.cli; mpcsfaas.cli.main()"
    command = [sys.executable, "-c", program, "plugins", "--json"]
    done = subprocess.run(command, capture_output=True, check=True, cwd=tmp_path, stdin=subprocess.DEVNULL)
    plugins = {plugin["name"]: plugin for plugin in json.loads(done.stdout)}
    kinds = {name: plugin["kind"] for name, plugin in plugins.items()}
    assert (
        kinds
        | {
            "local": "strategy",
            "sqlite": "storage",
            "memory": "storage",
            "dill": "serializer",
            "msgpack": "serializer",
            "json": "serializer",
        }
        == kinds
    )
    assert {plugin["status"] for plugin in plugins.values()} == {"ok"}
    assert all(plugin["version"] for plugin in plugins.values())


def test_importing_the_package_is_light() -> None:
    program = "import sys, mpcsfaas; print(*sorted(m for m in sys.modules if '.' not in m))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, stdin=subprocess.DEVNULL)
    heavy = {"fastapi", "uvicorn", "pydantic", "httpx", "rich", "typer", "dill", "cloudpickle", "sqlite3", "pluggy"}
    assert not heavy & set(done.stdout.decode().split())
