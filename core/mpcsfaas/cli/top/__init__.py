"""`mpcsfaas top`: how the platform does, live in the terminal. `look` sees, `view` draws, `live` shows."""

from mpcsfaas.cli.top.command import app

__all__ = ["app"]
