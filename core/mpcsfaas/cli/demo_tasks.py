"""The tasks of `mpcsfaas demo` that do nothing, or go wrong on purpose. They travel to the workers by value."""

import ctypes
import time


def do_nothing(number: int) -> int:
    """Give back what was given."""
    return number


def divide(dividend: int, divisor: int) -> float:
    """Raise `ZeroDivisionError`, if asked to."""
    return dividend / divisor


def loop_forever() -> None:
    """Never return, and never let go of the interpreter."""
    while True:
        pass


def read_address_zero() -> bytes:
    """Have the process killed by the kernel: a segmentation fault."""
    return ctypes.string_at(0)


def sleep_for_an_hour() -> None:
    """Do nothing for long."""
    time.sleep(3600)
