"""Task systems behind one interface; see `base.System`. Each is imported only when it is to be measured."""

from importlib import import_module

from benchmarks.systems.base import System

SYSTEMS = {
    "embedded": "ours:Embedded",
    "local": "ours:Local",
    "push": "ours:Push",
    "push-aof": "ours:PushEverySecond",
    "push-singly": "ours:PushSingly",
    "pull": "ours:Pull",
    "pool": "pools:StandardPool",
    "loky": "pools:Loky",
    "pebble": "pools:Pebble",
    "huey": "huey:Huey",
    "huey-notifying": "huey:HueyNotifying",
    "dramatiq": "dramatiq:Dramatiq",
    "celery": "celery:CeleryPrefork",
    "rq": "rq:Rq",
    "taskiq": "taskiq:Taskiq",
    "arq": "arq:Arq",
    "dask": "dask:Dask",
    "parsl": "parsl:Parsl",
    "parsl-prefetch": "parsl:ParslPrefetch",
    "ray": "ray:Ray",
}
"""Where the class of each system is, below this package."""

ENVIRONMENTS = {"arq": "bench-arq"}
"""The dependency groups of systems that cannot share an environment with the others."""

WORKERS = 2
"""Worker processes of each."""


def find(word: str) -> type[System]:
    """The class that a word stands for. Raises ImportError if the system is not installed."""
    module, _, name = SYSTEMS[word].partition(":")
    found: type[System] = getattr(import_module(f"{__name__}.{module}"), name)
    return found
