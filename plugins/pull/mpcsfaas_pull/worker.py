"""The worker's side: two REQ sockets, so that a fetch that is parked holds up no report."""

import asyncio

from mpcsfaas.connecting import ConnectingLink
from mpcsfaas.interfaces import LinkedAgent, PluginOptions
from mpcsfaas_pull.requester import Requester

WAIT_SECONDS = 2.0
"""How long a fetch may be parked."""
FETCH_TIMEOUT = 3.0
REPORT_TIMEOUT = 2.0
STOP_SECONDS = 1.0


class PullLink(ConnectingLink):
    """Asks without a pause for as long as the agent wants attempts, and reports whenever it has something to say."""

    def __init__(self, url: str, options: PluginOptions, agent: LinkedAgent) -> None:
        super().__init__(url, options, agent)
        self._fetcher = Requester(url, self.key)
        self._reporter = Requester(url, self.key)
        self._may_fetch = asyncio.Event()
        self._may_report = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    async def start(self) -> None:
        """Connect, in the background."""
        self._tasks = [asyncio.create_task(self._fetch_loop()), asyncio.create_task(self._report_loop())]
        for task in self._tasks:
            task.add_done_callback(_raise_defect)

    def wake(self) -> None:
        """Let both sockets ask what there is."""
        self._may_fetch.set()
        self._may_report.set()

    async def stop(self) -> None:
        """Wait a moment for the answer to a report that is out, and close."""
        self._stopping = True
        self.wake()
        tasks, self._tasks = self._tasks, []
        if tasks:
            fetching, reporting = tasks
            fetching.cancel()
            await asyncio.wait([reporting], timeout=STOP_SECONDS)
            reporting.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await self._fetcher.close()
        await self._reporter.close()

    async def _fetch_loop(self) -> None:
        while not self._stopping:
            self._may_fetch.clear()
            frame = self.agent.fetch(WAIT_SECONDS)
            if frame is None:
                await self._may_fetch.wait()
                continue
            answer = await self._fetcher.ask([frame], FETCH_TIMEOUT)
            if answer:
                self.agent.receive(answer)

    async def _report_loop(self) -> None:
        """Say what there is; what is not answered is said again as it was, as either way may have lost it."""
        while True:
            self._may_report.clear()
            frames = self.agent.outgoing()
            if frames:
                await self._report(frames)
            elif self._stopping:
                return
            else:
                await self._may_report.wait()

    async def _report(self, frames: list[bytes]) -> None:
        answer = None
        while answer is None:
            answer = await self._reporter.ask(frames, REPORT_TIMEOUT)
        self.agent.receive(answer)


def _raise_defect(task: "asyncio.Task[None]") -> None:
    """Let the event loop hear of an error at once, not only when somebody asks for the task's result."""
    if not task.cancelled():
        task.result()
