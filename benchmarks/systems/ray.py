"""Ray."""

import logging
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil
from benchmarks.systems import work
from benchmarks.systems.base import Mapper
from benchmarks.systems.work import Function

os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}

import ray


class Ray(Mapper):
    name = "Ray"
    settings = "num_cpus is the number of workers; no dashboard"
    distributions = ("ray",)

    def start(self) -> None:
        os.environ["RAY_AUTH_TOKEN_PATH"] = str(self._token())
        self.resources.callback(ray.shutdown)
        ray.init(
            num_cpus=self.workers, include_dashboard=False, logging_level=logging.ERROR, configure_logging=False,
            _node_ip_address="127.0.0.1", _temp_dir=str(self.folder),
        )  # fmt: skip
        self.tasks = {function: ray.remote(function) for function in work.FUNCTIONS}
        self.noops(self.workers)

    def _token(self) -> Path:
        """A token of its own, for which Ray would else write one into the user's home."""
        path = self.folder / "token"
        path.write_text(secrets.token_hex(32))
        return path

    def results(self, function: Function, arguments: Iterable[Any]) -> list[Any]:
        found: list[Any] = ray.get([self.tasks[function].remote(argument) for argument in arguments])
        return found

    def processes(self) -> dict[str, int]:
        return {child.name(): child.pid for child in psutil.Process().children()}
