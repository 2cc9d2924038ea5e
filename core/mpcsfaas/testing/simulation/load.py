"""The clients of a history: they submit tasks, cancel some, and never forget what they were told."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from random import Random
from typing import TypeVar

from mpcsfaas.errors import StorageError
from mpcsfaas.gateway.problems import Problem
from mpcsfaas.model import Function, State, Task, TaskOptions, new_task_id
from mpcsfaas.testing.simulation.behaviour import Behaviour, End
from mpcsfaas.testing.simulation.calls import PATIENCE, call
from mpcsfaas.testing.simulation.gateway import GatewayPart
from mpcsfaas.testing.simulation.process import Process

T = TypeVar("T")

FUNCTIONS = [Function(f"function-{number}", "work", b"body" * number, "none", 0.0) for number in (1, 2, 3)]
LABEL = "gpu"
RETRY_SECONDS = 0.3
WAIT_SECONDS = 2.0
CANCELLED = 0.15
"""The share of tasks that somebody cancels."""
TYPICAL_SECONDS = (0.0, 0.01, 0.2, 0.2, 1.5, 12.0)
"""The longest is longer than a lease."""
TYPICAL_ENDS: Sequence[tuple[End, ...]] = (
    *(((End.VALUE,),) * 6),
    (End.EXCEPTION,),
    (End.EXCEPTION, End.VALUE),
    (End.CRASH, End.VALUE),
    (End.CRASH,),
)


class Clients:
    """All clients, in one process that lives as long as the history."""

    def __init__(self, process: Process, gateways: Sequence[GatewayPart], tasks: int, seconds: float) -> None:
        """They submit so many tasks within so many seconds."""
        self._process = process
        self._gateways = gateways
        self._random = process.timeline.random
        self.accepted: dict[str, Task] = {}
        """Tasks for which a gateway has said that it has them."""
        self.ended: dict[str, State] = {}
        """What clients were told of the end of tasks."""
        self.contradictions: list[str] = []
        self.unfinished = tasks
        """Tasks that were or will be submitted, and of whose end no client was told."""
        for _ in range(tasks):
            process.call_later(self._random.uniform(0.0, seconds), self._begin)

    def _begin(self) -> None:
        self._process.create_task(self._follow(_some_task(self._random)))

    async def _follow(self, wanted: Task) -> None:
        """Submit a task until it is accepted, and ask for its result until it has one."""
        task_id = await self._patiently(lambda gateway: gateway.accept(wanted))
        self.accepted[task_id] = wanted
        if self._random.random() < CANCELLED:
            self._process.call_later(self._random.expovariate(0.5), self._cancel, task_id)
        while task_id not in self.ended:
            await self._ask(task_id, lambda gateway: gateway.state(task_id, WAIT_SECONDS))
        self.unfinished -= 1

    def _cancel(self, task_id: str) -> None:
        self._process.create_task(self._ask(task_id, lambda gateway: gateway.cancel(task_id)))

    async def _ask(self, task_id: str, question: Callable[[GatewayPart], Awaitable[State]]) -> None:
        """Learn a task's state, which cannot be another than the last one that was known before."""
        known = self.ended.get(task_id)
        state = await self._patiently(question)
        if known and state is not known:
            self.contradictions.append(f"{task_id} was {known}, and then {state}")
        if state.is_terminal:
            self.ended[task_id] = state

    async def _patiently(self, work: Callable[[GatewayPart], Awaitable[T]]) -> T:
        """Ask one gateway after another."""
        while True:
            gateway = self._random.choice(self._gateways)
            if gateway.running:
                try:
                    return await call(gateway.running, partial(work, gateway), PATIENCE + WAIT_SECONDS)
                except (StorageError, Problem):
                    pass
            await asyncio.sleep(RETRY_SECONDS)


def _some_task(random: Random) -> Task:
    behaviour = Behaviour(random.choice(TYPICAL_SECONDS), random.choice(TYPICAL_ENDS))
    options = TaskOptions(
        max_retries=random.choice((0, 0, 1, 2)),
        retry_delay=random.choice((0.1, 1.0)),
        max_redeliveries=random.choice((0, 1, 3)),
        timeout=random.choice((None, None, None, 1.0)),
        deadline=random.choice((None, None, None, 10.0)),
        priority=random.choice((0, 0, 1)),
        delay=random.choice((0.0, 0.0, 0.0, 2.0)),
        idempotency_key=random.choice((None, str(random.random()))),
        labels=random.choice(((), (), (), (LABEL,))),
    )
    return Task(new_task_id(), random.choice(FUNCTIONS).id, behaviour.encode(), "none", 0.0, options)
