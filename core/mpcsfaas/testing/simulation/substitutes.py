"""What the product uses of the world outside, replaced by what a history has instead."""

import logging
import os
import random
import socket
import sys
import time
from asyncio import _get_running_loop
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from mpcsfaas import sockets
from mpcsfaas.testing.simulation.channel import SimulatedChannel, SimulatedDoorway
from mpcsfaas.testing.simulation.pool import SimulatedPool
from mpcsfaas.testing.simulation.process import Process
from mpcsfaas.worker import pool

PRODUCT = "mpcsfaas"


@contextmanager
def substitutes(seed: int) -> Iterator[None]:
    """Clocks, chance, names, sockets and child processes are those of a history, for whatever runs in one.

    Modules of the product and of plugins that have imported something of these by name get the substitute, too.
    """
    state, disabled = random.getstate(), logging.root.manager.disable
    random.seed(seed)
    logging.disable(logging.CRITICAL)
    try:
        with ExitStack() as stack:
            for module, name, substitute in _of_modules():
                stack.enter_context(patch.object(module, name, substitute))
            yield
    finally:
        random.setstate(state)
        logging.disable(disabled)


def _of_modules() -> list[tuple[object, str, object]]:
    """Where to put what."""
    functions: list[tuple[object, str, Callable[[Process], Any]]] = [
        (time, "time", lambda process: process.wall_clock()),
        (time, "monotonic", lambda process: process.time()),
        (time, "time_ns", lambda process: int(process.wall_clock() * 1e9)),
        (os, "getpid", lambda process: process.number),
        (socket, "gethostname", lambda process: process.name),
    ]
    places: list[tuple[object, str, object]] = [
        (module, name, _inside(getattr(module, name), answer)) for module, name, answer in functions
    ]
    places.append((os, "urandom", _random_bytes(os.urandom)))
    originals: Mapping[int, object] = {
        **{id(getattr(module, name)): substitute for module, name, substitute in places},
        id(sockets.Channel): SimulatedChannel,
        id(sockets.Doorway): SimulatedDoorway,
        id(pool.ProcessPool): SimulatedPool,
    }
    imported = [
        (module, name, originals[id(value)])
        for module in list(sys.modules.values())
        if getattr(module, "__name__", "").startswith(PRODUCT) and module.__name__ != __name__
        for name, value in list(vars(module).items())
        if id(value) in originals
    ]
    return [*places, *imported]


def _inside(original: Callable[[], Any], answer: Callable[[Process], Any]) -> Callable[[], Any]:
    """`answer` for code of a process of a history; the original for everybody else, such as the test's own timeout."""

    def substitute() -> Any:
        loop = _get_running_loop()
        return answer(loop) if isinstance(loop, Process) else original()

    return substitute


def _random_bytes(original: Callable[[int], bytes]) -> Callable[[int], bytes]:
    def substitute(size: int) -> bytes:
        loop = _get_running_loop()
        return loop.timeline.random.randbytes(size) if isinstance(loop, Process) else original(size)

    return substitute
