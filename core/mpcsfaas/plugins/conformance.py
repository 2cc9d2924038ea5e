"""A quick look at whether a plugin that loads also works. `mpcsfaas.testing` has the thorough suites."""

from typing import Any

from mpcsfaas.errors import InvalidPayload
from mpcsfaas.interfaces import FailureDetector, Serializer
from mpcsfaas.plugins.hooks import Kind
from mpcsfaas.plugins.loading import Plugin

CALL: tuple[tuple[Any, ...], dict[str, Any]] = ((1, "two", [3.5]), {"four": None})


def conformance(plugin: Plugin) -> str:
    """What is wrong with a plugin when it is put to use, as far as that costs nothing; empty if nothing is."""
    try:
        match plugin.kind:
            case Kind.SERIALIZER:
                return _serializer(plugin.cls())
            case Kind.DETECTOR:
                return _detector(plugin.cls(plugin.options()))
            case Kind.STRATEGY:
                plugin.cls(plugin.options())
    except Exception as error:
        return f"using it raised {type(error).__name__}: {error}"
    return ""


def _serializer(serializer: Serializer) -> str:
    data = serializer.dumps_call(*CALL)
    serializer.check(data)
    serializer.check_quick(data)
    if serializer.loads_call(data) != CALL:
        return f"{CALL!r} does not survive dumps_call and loads_call"
    try:
        serializer.check(b"")
    except InvalidPayload:
        return ""
    return "its check accepts empty bytes"


def _detector(detector: FailureDetector) -> str:
    if detector.interval <= 0:
        return f"its interval is {detector.interval}, but must be over 0 seconds"
    if detector.suspects(0.0):
        return "it suspects workers that nobody has heard of"
    detector.beat("worker", 0.0)
    if detector.suspects(0.0):
        return "it suspects a worker at the moment of its beat"
    return ""
