"""Throw-away distributions: what is left of installing a package, written into a folder for one test."""

import os
from pathlib import Path
from textwrap import dedent

HEADER = """
from mpcsfaas import hookimpl
MPCSFAAS_API_VERSION = 1
"""


class Distributions:
    """Distributions with a plugin each, in folders of their own below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths: list[str] = []
        """What to put on `sys.path`."""

    def add(self, name: str, source: str, distribution: str = "", version: str = "1.2", header: str = HEADER) -> Path:
        """Install the plugin `name`, a module of `header` and `source`; the folder to put on `sys.path`."""
        distribution = distribution or f"mpcsfaas-{name.replace('_', '-')}"
        module = f"{distribution}_module".replace("-", "_")
        folder = self.folder / distribution
        metadata = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (metadata / "entry_points.txt").write_text(f"[mpcsfaas]\n{name} = {module}\n")
        (folder / f"{module}.py").write_text(header + dedent(source))
        self.paths.append(str(folder))
        return folder

    def environment(self, **variables: str) -> dict[str, str]:
        """The environment of a process that sees these distributions and no settings of the user."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MPCSFAAS_")}
        home = str(self.folder)
        return (
            inherited | {"PYTHONPATH": os.pathsep.join(self.paths), "HOME": home, "XDG_CONFIG_HOME": home} | variables
        )
