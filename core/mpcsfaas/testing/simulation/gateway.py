"""A gateway in a history, without HTTP: clients call what its routes call."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from msgspec.structs import replace

from mpcsfaas.gateway.context import Gateway
from mpcsfaas.gateway.settings import GatewaySettings
from mpcsfaas.gateway.submission import accept
from mpcsfaas.model import State, Task, new_task_id
from mpcsfaas.testing.simulation.parts import Part
from mpcsfaas.testing.simulation.process import Process
from mpcsfaas.testing.simulation.storage import StorageServer


class GatewayPart(Part):
    """Submits, cancels and waits for tasks, for clients. Its methods are for calls."""

    role: ClassVar[str] = "gateway"

    def __init__(self, spawn: Callable[[str], Process], number: int, server: StorageServer) -> None:
        super().__init__(spawn, number)
        self._server = server
        self._gateway: Gateway | None = None

    @property
    def gateway(self) -> Gateway:
        """Of the process that runs."""
        assert self._gateway is not None
        return self._gateway

    def begin(self, process: Process) -> None:
        """Know the storage."""
        self._gateway = Gateway.build(self._server.client(), [], GatewaySettings())

    def held(self) -> Sequence[str]:
        """Whoever waits for an end."""
        waits = self._gateway.hub.audience if self._gateway and self.running else 0
        return [f"{self.name} has {waits} that wait"] if waits else []

    async def accept(self, wanted: Task) -> str:
        """Accept a task, once; the id under which it is known."""
        task = replace(wanted, created_at=self.gateway.storage.clock())
        if task.options.idempotency_key:
            task = replace(task, id=new_task_id())
        return (await accept(self.gateway, task)).id

    async def state(self, task_id: str, seconds: float) -> State:
        """A task's state, once it has ended or this time is over."""
        return (await self.gateway.result_within(task_id, seconds)).state

    async def cancel(self, task_id: str) -> State:
        """Cancel a task; its state then."""
        [state] = await self.gateway.storage.cancel([task_id])
        assert state is not None, f"{task_id} is unknown, but was accepted"
        return state
