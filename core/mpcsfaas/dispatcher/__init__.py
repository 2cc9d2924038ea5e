"""The dispatcher: claim from storage → hand to a strategy → commit outcomes. It never deserialises a payload.

`outcomes` and `ledger` decide and are pure; `service` is the shell that owns the loops.
"""

from mpcsfaas.dispatcher.service import Dispatcher, DispatcherSettings

__all__ = ["Dispatcher", "DispatcherSettings"]
