"""What the platform's processes keep from others of the same user, above all from the tasks that their workers run."""

import ctypes

_LIBC = ctypes.CDLL(None)
_PR_SET_DUMPABLE = 4


def hide_from_tasks() -> None:
    """Let only root read this process's memory and environment, which may hold passwords; and dump no core."""
    _LIBC.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
