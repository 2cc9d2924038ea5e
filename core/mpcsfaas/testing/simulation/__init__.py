"""The platform in virtual time: whole histories of it, with everything that goes wrong, from a number.

The product's own dispatcher, strategies, links, worker agent, slot table, gateway and in-memory storage run in the
processes of a history: each has its own event loop, clocks and place in a network that loses, repeats, delays and
reorders what is said. Simulated are the network, and the children that run tasks.

    uv run python -m mpcsfaas.testing.simulation --seed 12345

lives through one history, and says which promises were broken. The same number is always the same history.
"""

from mpcsfaas.testing.simulation.history import Verdict, simulate
from mpcsfaas.testing.simulation.machinery import Machinery

__all__ = ["Machinery", "Verdict", "simulate"]
