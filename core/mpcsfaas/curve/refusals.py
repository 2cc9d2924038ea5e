"""Addresses at which somebody was refused lately, so that nobody who knocks in vain costs much. Pure: no clock, no I/O.

Only unknown keys are asked about here: whoever is on the list is let in at once, whatever else comes from its address.
"""

from collections import OrderedDict
from dataclasses import dataclass

PERIOD_SECONDS = 60.0
"""How long a refusal counts."""
AT_ONCE = 10
"""Refusals of one address in a period that are not delayed."""
MOST_ADDRESSES = 1024
"""Addresses that are remembered. While there are so many, others are delayed from their first refusal on."""


@dataclass(slots=True)
class _Address:
    since: float
    refusals: int = 0


class Refusals:
    """Counts by address. `now` is monotonic seconds."""

    def __init__(self, most: int = MOST_ADDRESSES) -> None:
        self._most = most
        self._addresses: OrderedDict[str, _Address] = OrderedDict()

    def __len__(self) -> int:
        return len(self._addresses)

    def must_wait(self, address: str, now: float) -> bool:
        """Whether an unknown key from there is to wait for its answer."""
        self._forget(now)
        known = self._addresses.get(address)
        return known.refusals >= AT_ONCE if known else len(self._addresses) >= self._most

    def refused(self, address: str, now: float) -> bool:
        """Note a refusal; whether it is worth a line in the log, which is so once in a period for an address."""
        self._forget(now)
        known = self._addresses.get(address)
        if known is None and len(self._addresses) >= self._most:
            return False
        if known is None:
            known = self._addresses[address] = _Address(since=now)
        known.refusals += 1
        return known.refusals == 1

    def _forget(self, now: float) -> None:
        while self._addresses and now - next(iter(self._addresses.values())).since >= PERIOD_SECONDS:
            self._addresses.popitem(last=False)
