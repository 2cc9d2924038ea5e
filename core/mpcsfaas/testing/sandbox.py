"""Whether tests can have real sandboxes here."""

import os
from functools import cache

import pytest

from mpcsfaas.errors import SettingsError
from mpcsfaas.worker.options import PoolOptions

MUST = "TESTS_NEED_SANDBOX"
"""Set where a machine without sandboxes fails the tests, as in CI."""

in_sandbox_too = pytest.mark.parametrize("confinement", [None, "bubblewrap"], indirect=True)
"""For tests of what is the same in a sandbox; the tests' fixture `confinement` gets its name, or None."""


def require_bubblewrap() -> None:
    """Skip the test, saying why, where bubblewrap is missing or not permitted."""
    if (obstacle := _obstacle()) and MUST not in os.environ:
        pytest.skip(obstacle)


@cache
def _obstacle() -> str:
    try:
        PoolOptions(sandbox="bubblewrap").confinement().check()
    except SettingsError as error:
        return str(error)
    return ""
