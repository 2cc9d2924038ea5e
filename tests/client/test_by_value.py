"""Functions of modules that exist in this process only, run in an interpreter without them."""

import pickle
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import cloudpickle
import pytest

from mpcsfaas.client import by_value, own_classes
from mpcsfaas.client.installed import OwnModules

WriteModule = Callable[[str, str], ModuleType]
RunElsewhere = Callable[[bytes], bytes]

HELPERS = """
    import dataclasses, enum, socket, threading
    from typing import Callable, Generic, NewType, ParamSpec, TypeVar

    P = ParamSpec("P")
    T = TypeVar("T")
    Meters = NewType("Meters", int)
    lock = threading.Lock()
    connection = socket.socket()
    connection.close()
    FACTOR = 7

    class Color(enum.Enum):
        RED = 1

    @dataclasses.dataclass
    class Point:
        x: int
        color: Color = Color.RED
        def scaled(self) -> "Point":
            return Point(self.x * FACTOR, self.color)

    class Box(Generic[T]):
        def __init__(self, item: T) -> None:
            self.item = item

    def logged(function: Callable[P, T]) -> Callable[P, T]:
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
            return function(*args, **kwargs)
        return wrapper

    def scale(number: int) -> Meters:
        return Meters(number * FACTOR)
"""
WORK = """
    import helpers
    from helpers import Box, Point, logged

    def through_a_module(number):
        return helpers.scale(number)

    @logged
    def decorated(number):
        return number + 1

    def a_class(point):
        return point.scaled()

    def generic(number):
        return Box[int](number)

    def by_a_literal_name(number):
        return getattr(helpers, "scale")(number)

    def chained(number):
        return inner(number) + 1

    def inner(number):
        return helpers.scale(number)

    def recursive(number):
        return 0 if number == 0 else 1 + recursive(number - 1)
"""


@pytest.fixture
def helpers(write_module: WriteModule) -> Any:
    return write_module("helpers", HELPERS)


@pytest.fixture
def work(helpers: Any, write_module: WriteModule) -> Any:
    return write_module("work", WORK)


@pytest.fixture
def call(run_elsewhere: RunElsewhere) -> Callable[..., Any]:
    def call(function: Any, *args: Any) -> Any:
        return own_classes.loads(run_elsewhere(by_value.dumps((function, args), OwnModules())))

    return call


@pytest.mark.parametrize(
    ("name", "expected"),
    [("through_a_module", 21), ("decorated", 4), ("by_a_literal_name", 21), ("chained", 22), ("recursive", 3)],
)
def test_functions_run_with_what_they_use(work: Any, call: Callable[..., Any], name: str, expected: int) -> None:
    assert call(getattr(work, name), 3) == expected


def test_instances_come_back_as_what_they_were(work: Any, helpers: Any, call: Callable[..., Any]) -> None:
    method = helpers.Point.scaled
    point = call(work.a_class, helpers.Point(2))
    assert isinstance(point, helpers.Point)
    assert point == helpers.Point(14, helpers.Color.RED)
    assert point.color is helpers.Color.RED
    assert helpers.Point.scaled is method, "the class of this process was overwritten"


def test_generic_classes_travel(work: Any, helpers: Any, call: Callable[..., Any]) -> None:
    box = call(work.generic, 3)
    assert type(box) is helpers.Box
    assert box.item == 3


def test_a_process_that_did_not_send_a_class_knows_it_by_its_name(
    work: Any, helpers: Any, run_elsewhere: RunElsewhere
) -> None:
    """As after a restart: the process that sent the class is gone."""
    sent = by_value.dumps((work.a_class, (helpers.Point(2),)), OwnModules())
    cloudpickle.cloudpickle._DYNAMIC_CLASS_TRACKER_BY_CLASS.clear()
    cloudpickle.cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID.clear()
    point = own_classes.loads(run_elsewhere(sent))
    assert type(point) is helpers.Point
    assert point.color is helpers.Color.RED


def test_a_class_that_is_defined_nowhere_here_is_rebuilt(run_elsewhere: RunElsewhere) -> None:
    def make() -> Any:
        class Local:
            number = 5

        return Local()

    local = own_classes.loads(run_elsewhere(by_value.dumps((make, ()), OwnModules())))
    assert local.number == 5


def test_packages_travel(write_module: WriteModule, call: Callable[..., Any]) -> None:
    write_module("pack.__init__", "MORE = 5\n")
    write_module("pack.inside", "LIMIT = 5\ndef capped(number):\n    return min(number, LIMIT)\n")
    user = write_module("user", "import pack.inside\ndef use(n):\n    return pack.inside.capped(n) + pack.MORE\n")
    assert call(user.use, 9) == 10


def test_what_nobody_mentions_stays_here(helpers: Any, work: Any) -> None:
    assert b"socket" not in by_value.dumps(work.through_a_module, OwnModules())


def test_what_is_mentioned_late_goes_along(write_module: WriteModule, call: Callable[..., Any]) -> None:
    """The module is met before the second function that mentions more of it."""
    write_module("parts", "def one():\n    return 1\ndef two():\n    return 2\n")
    user = write_module(
        "user",
        """
        import parts
        def first(): return parts.one()
        def second(): return parts.two()
        def both(functions): return [function() for function in functions]
        """,
    )
    assert call(user.both, [user.first, user.second]) == [1, 2]


def test_installed_modules_go_by_name() -> None:
    data = by_value.dumps(pytest.raises, OwnModules())
    assert pickle.loads(data) is pytest.raises
    assert len(data) < 100


def test_by_reference_is_respected(work: Any) -> None:
    data = by_value.dumps(work.through_a_module, OwnModules(by_reference=["work"]))
    assert pickle.loads(data) is work.through_a_module


def test_remote_tracebacks_name_the_file(work: Any, helpers: Any) -> None:
    copy = pickle.loads(by_value.dumps(work.through_a_module, OwnModules()))
    assert copy is not work.through_a_module
    assert copy.__code__.co_filename == work.through_a_module.__code__.co_filename


def test_nothing_stays_registered(work: Any) -> None:
    before = cloudpickle.list_registry_pickle_by_value()
    by_value.dumps(work.through_a_module, OwnModules())
    with pytest.raises(TypeError):
        by_value.dumps((work.inner, threading.Lock()), OwnModules())
    assert cloudpickle.list_registry_pickle_by_value() == before


def test_what_the_user_registered_stays_registered(work: Any) -> None:
    cloudpickle.register_pickle_by_value(work)
    try:
        by_value.dumps(work.inner, OwnModules())
        assert "work" in cloudpickle.list_registry_pickle_by_value()
    finally:
        cloudpickle.unregister_pickle_by_value(work)


def test_threads_do_not_disturb_each_other(work: Any, helpers: Any) -> None:
    """A thread that is done must not take the registration from under another."""
    failures: list[object] = []

    def dump_often() -> None:
        for _ in range(50):
            data = by_value.dumps((work.through_a_module, helpers.Point), OwnModules())
            if pickle.loads(data)[0] is work.through_a_module:
                failures.append("went by name")

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=dump_often) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert failures == []
