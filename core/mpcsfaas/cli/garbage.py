"""The garbage collector of a process that serves for long."""

import gc

ALLOCATIONS = 50_000
"""Objects made, less those freed, before the young are looked at."""
YOUNG_ROUNDS, MIDDLE_ROUNDS = 20, 100
"""Rounds of one generation before the next is looked at."""


def collect_seldom() -> None:
    """Leave what was made at the start alone, and look at the rest less often; call it when everything is up.

    Tasks make no cycles, but tens of thousands of objects that live for a second: with Python's own thresholds, the
    collector takes a tenth to a third of a busy dispatcher's time to find nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(ALLOCATIONS, YOUNG_ROUNDS, MIDDLE_ROUNDS)
