"""The storage contract, one file for each part of a task's life. `mpcsfaas.testing.storage_contract` joins them."""

import pytest

PARTS = (
    "claim",
    "enqueue",
    "functions",
    "housekeeping",
    "outcome",
    "parents",
    "quotas",
    "reading",
    "sharing",
    "waiting",
    "world",
)

pytest.register_assert_rewrite(*(f"{__name__}.{part}" for part in PARTS))
