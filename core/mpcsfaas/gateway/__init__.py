"""The REST gateway: stateless, and it never deserialises a payload.

`uvicorn mpcsfaas.gateway:app` serves one that is set up from the environment and `mpcsfaas.toml`.
"""

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    app = import_module("mpcsfaas.gateway.standalone").build_app()
    globals()["app"] = app
    return app
