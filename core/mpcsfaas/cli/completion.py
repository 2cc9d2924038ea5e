"""What the shell may offer at the tab key: plugins, functions, tasks. What cannot be found out at once is left out."""

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from mpcsfaas.plugins import installed_names

if TYPE_CHECKING:
    from mpcsfaas.client import Client
    from mpcsfaas.model import State

PATIENCE = 0.5
"""Seconds that a gateway gets: whoever presses the tab key waits."""
TASKS, FUNCTIONS = 50, 200
"""How many are offered at most: the newest."""

Offer = tuple[str, str]
"""A word, and what some shells show beside it."""


def words_to_complete(environment: Mapping[str, str]) -> list[str] | None:
    """The words before the one that a shell wants to have completed; None if no shell wants that."""
    if "_MPCSFAAS_COMPLETE" not in environment:
        return None
    if "COMP_WORDS" in environment:
        return environment["COMP_WORDS"].split()[1 : int(environment.get("COMP_CWORD", "1"))]
    line = environment.get("_TYPER_COMPLETE_ARGS", "")
    return line.split()[1 : None if line.endswith(" ") else -1]


def plugin_names(incomplete: str) -> list[str]:
    """Installed plugins."""
    return _beginning(incomplete, installed_names())


def function_names(incomplete: str) -> list[Offer]:
    """The gateway's functions."""
    return _offers(incomplete, _functions)


def task_ids(incomplete: str) -> list[Offer]:
    """The gateway's newest tasks."""
    return _offers(incomplete, lambda client: _tasks(client, None))


def failed_task_ids(incomplete: str) -> list[Offer]:
    """The gateway's newest failed tasks."""
    from mpcsfaas.model import State

    return _offers(incomplete, lambda client: _tasks(client, State.FAILED))


def open_task_ids(incomplete: str) -> list[Offer]:
    """The gateway's newest tasks that have not ended."""
    from mpcsfaas.model import State

    return _offers(incomplete, lambda client: [*_tasks(client, State.RUNNING), *_tasks(client, State.QUEUED)])


def _functions(client: "Client") -> list[Offer]:
    from mpcsfaas.client.exchange import get
    from mpcsfaas.client.operations import fetch
    from mpcsfaas.client.records import FunctionInfo, Page

    request = get("/v1/functions", limit=FUNCTIONS)
    page = client.connection.perform(fetch(client.session, request, Page[FunctionInfo]))
    return [(info.name, info.description) for info in page.items]


def _tasks(client: "Client", state: "State | None") -> list[Offer]:
    from mpcsfaas.cli.gateway import tasks_page

    page = client.connection.perform(tasks_page(client.session, state, None, None, TASKS, None))
    return [(record.id, record.state) for record in page.items]


def _offers(incomplete: str, ask: "Callable[[Client], list[Offer]]") -> list[Offer]:
    offers = dict(_answered(ask))
    return [(word, offers[word]) for word in _beginning(incomplete, offers)]


def _answered(ask: "Callable[[Client], list[Offer]]") -> list[Offer]:
    """Ask the gateway at hand; nothing if it does not answer in time, or does not let us in."""
    import urllib3  # noqa: F401  # Importing it takes long, and is not the gateway's fault.

    from mpcsfaas.cli.gateway import find_address
    from mpcsfaas.client import Client

    answers: list[Offer] = []

    def ask_it() -> None:
        with suppress(Exception):
            address = find_address(None)
            with Client(address.url, timeout=PATIENCE, key=address.key) as client:
                answers.extend(ask(client))

    thread = threading.Thread(target=ask_it, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return list(answers)


def _beginning(incomplete: str, words: Iterable[str]) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]
