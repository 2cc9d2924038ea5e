"""Finding and killing all that a child has started, whatever it did to hide."""

import os
import signal
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

DEAD = "ZX"
"""States of what is a process in name only."""
STAT_SIZE = 1024
"""Bytes that hold a process's line, and more."""
ROUNDS = 50
"""How often a tree is searched for newcomers before giving up on one that grows faster than it is killed."""


class Process(NamedTuple):
    """One line of the kernel's process table."""

    pid: int
    state: str
    parent: int
    group: int


def processes() -> Iterator[Process]:
    """Every process that can be seen just now."""
    for name in os.listdir("/proc"):
        if name.isdigit() and (process := _read(int(name))):
            yield process


def count() -> int:
    """How many processes there are; much cheaper than `processes`."""
    return sum(name.isdigit() for name in os.listdir("/proc"))


def descendants(ancestors: Iterable[int]) -> dict[int, list[Process]]:
    """The living processes below each of `ancestors`, from one look at the process table."""
    children = defaultdict(list)
    for process in processes():
        children[process.parent].append(process)
    return {ancestor: list(_below(ancestor, children)) for ancestor in ancestors}


def children(pid: int) -> list[int]:
    """The processes that its main thread has started; may miss some while others die. None if it is gone."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as file:
            return list(map(int, file.read().split()))
    except (FileNotFoundError, ProcessLookupError):
        return []


def children_for_certain(pid: int) -> list[int]:
    """The processes below it, and no further; looks at all that there are."""
    return [process.pid for process in processes() if process.parent == pid]


def innermost_id(pid: int) -> int:
    """The id that a process has in its own namespace; 0 if it is gone."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            return next(int(line.split()[-1]) for line in file if line.startswith(b"NSpid:"))
    except (FileNotFoundError, ProcessLookupError):
        return 0


def resident_memory(pid: int) -> int:
    """Bytes of memory that a process holds; 0 if it is gone."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used; 0 if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError):
        return 0.0


def kill_tree(leader: int) -> None:
    """Kill a process and all its descendants.

    `leader` leads its own process group and adopts orphans below it. Stopping its group first means that nothing below
    it can hide any more while what has left the group is looked for.
    """
    _signal_group(leader, signal.SIGSTOP)
    for _ in range(ROUNDS):
        strays = {process.group for process in descendants([leader])[leader]} - {leader}
        if not strays:
            break
        for group in strays:
            kill_group(group)
    kill_group(leader)


def kill_children(parent: int, spare: Container[int]) -> None:
    """Kill the children of `parent`, and the orphans that thereby become its children, except those in `spare`."""
    for _ in range(ROUNDS):
        strays = [process for process in processes() if process.parent == parent and process.state not in DEAD]
        strays = [process for process in strays if process.pid not in spare]
        if not strays:
            return
        for process in strays:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)


def kill_group(group: int) -> None:
    """Kill a process group, which no member can escape by forking."""
    _signal_group(group, signal.SIGKILL)


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _below(ancestor: int, children: Mapping[int, Iterable[Process]]) -> Iterator[Process]:
    parents = [ancestor]
    while parents:
        for process in children.get(parents.pop(), ()):
            parents.append(process.pid)
            if process.state not in DEAD:
                yield process


def _read(pid: int) -> Process | None:
    try:
        file = os.open(f"/proc/{pid}/stat", os.O_RDONLY)  # thrice as fast as `open`, and there may be hundreds
    except OSError:
        return None
    try:
        fields = os.read(file, STAT_SIZE).rpartition(b") ")[2].split(maxsplit=3)
    except OSError:
        return None
    finally:
        os.close(file)
    return Process(pid, fields[0].decode(), int(fields[1]), int(fields[2]))
