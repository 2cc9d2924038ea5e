"""What the kernel lets a child use."""

import errno
import resource
from collections.abc import Callable
from math import ceil

from msgspec import Struct


class Limits(Struct, frozen=True):
    """Of one child, and of each process below it by itself; None: the kernel sets none."""

    memory: int | None = None
    """Bytes of address space."""
    cpu_seconds: int | None = None
    """Of one attempt."""
    open_files: int | None = None
    file_size: int | None = None
    """Bytes of each file that is written."""

    def apply(self) -> None:
        """Take them on, for good. No limit that was there before is raised."""
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for number, value in (
            (resource.RLIMIT_AS, self.memory),
            (resource.RLIMIT_CPU, self.cpu_seconds and most_cpu_seconds(self.cpu_seconds)),
            (resource.RLIMIT_NOFILE, self.open_files),
            (resource.RLIMIT_FSIZE, self.file_size),
        ):
            if value is not None:
                value = _within(number, value)
                resource.setrlimit(number, (value, value))

    def hint(self, error: BaseException) -> str:
        """Which of these an exception may come from, as a sentence; empty if none."""
        number = error.errno if isinstance(error, OSError) else None
        name, limit, unit = "", None, ""
        if isinstance(error, MemoryError) or number == errno.ENOMEM:
            name, limit, unit = "memory_limit", self.memory, " bytes"
        elif number == errno.EMFILE:
            name, limit = "max_open_files", self.open_files
        elif number == errno.EFBIG:
            name, limit, unit = "max_file_size", self.file_size, " bytes"
        return "" if limit is None else f"The worker's {name} is {limit}{unit}."


def most_cpu_seconds(of_an_attempt: int) -> int:
    """CPU seconds of a child after which the kernel kills it, whatever its tasks do.

    An attempt begins in a child that has used fewer seconds than an attempt may use, and some that the pool did not
    notice yet. So each has all of its own.
    """
    return 2 * of_an_attempt + 2


def cpu_allowance(seconds: int | None) -> Callable[[], None]:
    """What is to be called before each attempt, so that the kernel ends it after so many CPU seconds of its own."""
    if seconds is None:
        return lambda: None

    def allow() -> None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        soft = _within(resource.RLIMIT_CPU, ceil(used.ru_utime + used.ru_stime) + seconds)
        resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))

    return allow


def _within(number: int, value: int) -> int:
    """`value`, or the limit that is there already if that is lower."""
    hard = resource.getrlimit(number)[1]
    return value if hard == resource.RLIM_INFINITY else min(value, hard)
