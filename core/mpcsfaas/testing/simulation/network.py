"""Who can reach whom, and what becomes of what is said."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from mpcsfaas.testing.simulation.process import Process
from mpcsfaas.testing.simulation.timeline import Timeline

if TYPE_CHECKING:
    from mpcsfaas.testing.simulation.channel import SimulatedChannel


@dataclass(slots=True)
class Weather:
    """How good the network is. Shares are of 1, durations in seconds."""

    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0
    """The share of messages that may overtake others of the same connection."""
    delay: float = 0.001
    """Of a message, on average."""


@dataclass(slots=True)
class Network:
    """All processes hang on it."""

    timeline: Timeline
    weather: Weather = field(default_factory=Weather)
    cut: set[frozenset[str]] = field(default_factory=set)
    """Pairs of names of processes that cannot reach each other."""
    listeners: "dict[str, SimulatedChannel]" = field(default_factory=dict)
    """By address."""
    channels: "list[SimulatedChannel]" = field(default_factory=list)
    """Those that connect, and are open."""
    _routes: Iterator[int] = field(default_factory=lambda: count(1))
    _latest: dict[tuple[str, str], float] = field(default_factory=dict)
    """When the last message of one process arrives at another: the next comes after it."""

    def reaches(self, sender: Process, receiver: Process) -> bool:
        """Whether there is a way from one to the other."""
        return sender.alive and receiver.alive and frozenset((sender.name, receiver.name)) not in self.cut

    def send(self, sender: Process, receiver: Process, deliver: Callable[[], object], reliable: bool = False) -> bool:
        """Let `deliver` happen at the receiver, some time, perhaps twice; False if it never will.

        What is `reliable` comes once and in order, if it comes: a connection that is used for calls.
        """
        random, weather = self.timeline.random, self.weather
        if not self.reaches(sender, receiver) or random.random() < weather.loss:
            return False
        self._deliver(sender, receiver, deliver, reliable)
        if not reliable and random.random() < weather.duplication:
            self._deliver(sender, receiver, deliver, reliable)
        return True

    def new_route(self) -> bytes:
        """Names a connection."""
        return next(self._routes).to_bytes(5, "big")

    def forget(self, process: Process) -> None:
        """A process is gone; whoever was connected with it notices."""
        for url, listener in list(self.listeners.items()):
            if listener.process is process:
                del self.listeners[url]
                self.disconnect(listener)
        self.channels = [channel for channel in self.channels if channel.process is not process]

    def disconnect(self, listener: "SimulatedChannel") -> None:
        """Nobody listens there any more."""
        for channel in self.channels:
            if channel.peer is listener:
                channel.lose_peer()

    def _deliver(self, sender: Process, receiver: Process, deliver: Callable[[], object], reliable: bool) -> None:
        random, weather = self.timeline.random, self.weather
        moment = self.timeline.now + random.expovariate(1 / weather.delay)
        if reliable or random.random() >= weather.reordering:
            direction = (sender.name, receiver.name)
            moment = self._latest[direction] = max(moment, self._latest.get(direction, 0.0))
        receiver.call_at(moment, deliver)
