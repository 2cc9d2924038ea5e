"""A worker, until a signal or its dispatcher ends it."""

import asyncio
import logging
import os
import signal
from pathlib import Path

import uvloop

from mpcsfaas.cli.announcement import Announcement, announce, withdraw
from mpcsfaas.cli.configured import Setup
from mpcsfaas.cli.garbage import collect_seldom
from mpcsfaas.cli.log import log_to_stderr
from mpcsfaas.cli.privacy import hide_from_tasks
from mpcsfaas.errors import PluginError
from mpcsfaas.interfaces import WorkerLink
from mpcsfaas.plugins import Plugin
from mpcsfaas.worker.agent import WorkerAgent
from mpcsfaas.worker.agent_options import AgentOptions

log = logging.getLogger(__name__)


def run_worker(setup: Setup, strategy: Plugin, options: AgentOptions, ready_file: Path | None) -> None:
    """Work until a signal ends it: the first drains, a second one stops at once. Raises `MpcsfaasError`."""
    log_to_stderr(setup.settings)
    hide_from_tasks()
    link, link_options = _link(strategy), setup.options(strategy.name, strategy.options)
    agent = WorkerAgent(options, link, link_options, setup.plugins.serializers())

    def started() -> None:
        collect_seldom()
        log.info("Worker %s with %d slots works for %s.", agent.worker_id, options.workers, options.url)
        if ready_file:
            announce(ready_file, Announcement(url=None, pid=os.getpid()))

    async def work() -> None:
        _listen_to_signals(agent)
        await agent.run(started)

    try:
        uvloop.run(work())
    finally:
        if ready_file:
            withdraw(ready_file)


def _link(strategy: Plugin) -> type[WorkerLink]:
    link: type[WorkerLink] | None = strategy.cls.worker_link
    if link is None:
        raise PluginError(
            f"Strategy {strategy.name!r} has no workers that connect. Choose one that has: --plugin push, or pull."
        )
    return link


def _listen_to_signals(agent: WorkerAgent) -> None:
    def on_signal() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, agent.stop)
        log.info("Stopping: finishing what runs. Send the signal again to stop at once.")
        agent.drain()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
