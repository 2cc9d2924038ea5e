"""What dill and cloudpickle carry from a user's script to another process, and what they say when they can't."""

import ast
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dill
import pytest

from mpcsfaas.errors import InvalidPayload, SerializationError
from mpcsfaas.interfaces import Serializer
from mpcsfaas_serializers.cloudpickle import CloudpickleSerializer
from mpcsfaas_serializers.dill import DillSerializer

SCRIPT = """
import dataclasses, functools, importlib, math, sys
from collections import namedtuple

BASE = 3
Pair = namedtuple("Pair", "a b")

@dataclasses.dataclass
class Point:
    x: int = 1
    def twice(self): return helper(self.x) * 2

class Child(Point):
    def twice(self): return super().twice() + 1

def helper(x): return x + BASE
def uses_global(x): return helper(x)
def uses_class(x): return Point(x).twice()
def uses_child(x): return Child(x).twice()
def factorial(x): return 1 if x < 2 else x * factorial(x - 1)
def closure():
    offset = 2
    return lambda x: x + offset
def uses_comprehension(x): return [helper(i) for i in range(x)]
def uses_module(x): return math.floor(x + 0.5)
def uses_namedtuple(x): return Pair(x, 1).a
def defaults(x, *, y=BASE): return x + y
def logged(function):
    @functools.wraps(function)
    def wrapper(x): return function(x)
    return wrapper
decorated = logged(helper)

FUNCTIONS = [uses_global, uses_class, uses_child, factorial, closure(), uses_comprehension, uses_module,
             uses_namedtuple, defaults, decorated, functools.partial(helper, 4), Point(4).twice, lambda x: helper(x)]
name, cls = sys.argv[1:]
serializer = getattr(importlib.import_module(name), cls)()
print([serializer.dumps(function) for function in FUNCTIONS])
"""
CALL = """
import ast, importlib, sys
serializer = getattr(importlib.import_module(sys.argv[1]), sys.argv[2])()
results = []
for payload in ast.literal_eval(sys.stdin.read()):
    serializer.check(payload); serializer.check_quick(payload)
    function = serializer.loads(payload)
    try: results.append(function(4))
    except TypeError: results.append(function())
print(results)
"""
RESULTS = [7, 14, 15, 24, 6, [3, 4, 5, 6], 4, 4, 7, 7, 7, 14, 7]


@pytest.fixture(params=[DillSerializer, CloudpickleSerializer])
def serializer(request: pytest.FixtureRequest) -> Serializer:
    made: Serializer = request.param()
    return made


def python(code: str, serializer: Serializer, input: str = "") -> str:
    cls = type(serializer)
    command = [sys.executable, "-c", code, cls.__module__, cls.__qualname__]
    return subprocess.check_output(command, text=True, timeout=60, input=input)


def test_functions_of_a_script_run_elsewhere(serializer: Serializer) -> None:
    assert ast.literal_eval(python(CALL, serializer, input=python(SCRIPT, serializer))) == RESULTS


def test_loads_all_that_dill_writes_with_its_own_defaults() -> None:
    """As clients of the original system do: the script's globals are then named `__builtin__.__main__`."""
    code = "import dill\ndef double(x): return 2 * x\nprint([dill.dumps(double), dill.dumps(type(None))])"
    payloads = ast.literal_eval(subprocess.check_output([sys.executable, "-c", code], text=True))
    double, none_type = (DillSerializer().loads(payload) for payload in payloads)
    assert (double(21), none_type) == (42, type(None))


def test_plain_data_is_read_and_written_without_dill() -> None:
    code = """
import sys
from mpcsfaas_serializers.dill import DillSerializer
serializer = DillSerializer()
call = (1, [2.5]), {"k": {b"x": {None}}}
assert serializer.loads_call(serializer.dumps_call(*call)) == call
print("dill" in sys.modules)
"""
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"


def test_dill_settings_are_left_as_they_were() -> None:
    before = dict(dill.settings)
    DillSerializer().dumps(lambda: 1)
    assert dill.settings == before


def test_an_instance_of_a_subclassed_builtin_keeps_its_class(serializer: Serializer) -> None:
    class Tagged(dict[str, int]):
        tag = "t"

    copy = serializer.loads(serializer.dumps([Tagged(a=1)]))[0]
    assert (copy, copy.tag, type(copy).__name__) == ({"a": 1}, "t", "Tagged")


def test_a_cycle_stays_a_cycle(serializer: Serializer) -> None:
    value: list[Any] = [1]
    value.append(value)
    copy = serializer.loads(serializer.dumps(value))
    assert copy[1] is copy


class Holder:
    def __init__(self, held: Any) -> None:
        self.held = held

    def method(self) -> None:
        pass


def generator() -> Any:
    yield


def closing_over(held: Any) -> Callable[[], Any]:
    return lambda: held


def with_default(held: Any) -> Callable[[], Any]:
    def function(x: Any = held) -> Any:
        return x

    return function


@pytest.mark.parametrize(
    ("wrap", "way"),
    [
        (lambda held: held, "a generator: "),
        (lambda held: [1, [2, held]], "a generator in item 1 of the list in item 1 of the list: "),
        (lambda held: ({"k": held},), "a generator in item 'k' of the dict in item 0 of the tuple: "),
        (lambda held: {held: 1}, "a generator in a key of the dict: "),
        (lambda held: {held}, "a generator in item 0 of the set: "),
        (Holder, "a generator in attribute held of the Holder: "),
        (closing_over, "a generator in variable held that <lambda> closes over: "),
        (with_default, "a generator in a default of function: "),
        (lambda held: Holder(held).method, "a generator in attribute held of the Holder in the method's object: "),
    ],
)
def test_names_what_cannot_be_serialised_and_the_way_to_it(
    serializer: Serializer, wrap: Callable[[Any], Any], way: str
) -> None:
    with pytest.raises(SerializationError) as refusal:
        serializer.dumps(wrap(generator()))
    assert str(refusal.value).startswith(f"{serializer.name} cannot serialise {way}cannot pickle 'generator' object")


LISTENER = socket.socket()
LISTENER.close()
LOCK = threading.Lock()


def test_names_a_global_that_a_function_uses(serializer: Serializer) -> None:
    code = compile("def listen(): return LISTENER", "<script>", "exec")
    names: dict[str, Any] = {"LISTENER": LISTENER, "__name__": "__main__"}
    exec(code, names)
    with pytest.raises(SerializationError, match=r"a socket\.socket in global LISTENER that listen uses: cannot"):
        serializer.dumps(names["listen"])


def test_cloudpickle_names_a_lock() -> None:
    """Dill carries an unlocked lock as a new one."""
    with pytest.raises(SerializationError, match=r"a _thread\.lock in item 3 of the list: cannot pickle"):
        CloudpickleSerializer().dumps([1, 2, {}, LOCK])


def test_the_search_for_a_culprit_ends_in_a_cycle(serializer: Serializer) -> None:
    value: list[Any] = []
    value.extend([value, Holder(value), generator()])
    with pytest.raises(SerializationError, match="a generator in "):
        serializer.dumps(value)


class Stubborn:
    def __reduce__(self) -> str:
        raise ValueError("will not be\npickled")


def test_an_error_of_the_object_s_own_is_told_in_a_line(serializer: Serializer) -> None:
    with pytest.raises(SerializationError, match=r"a \S*Stubborn in item 0 of the list: will not be\.$"):
        serializer.dumps([Stubborn()])


@pytest.mark.parametrize("cut", [0, 1, 5, -1])
def test_what_was_cut_off_is_an_invalid_payload(serializer: Serializer, cut: int) -> None:
    payload = serializer.dumps([1, "two", 3.0])
    with pytest.raises(InvalidPayload, match="no whole pickle"):
        serializer.loads(payload[:cut])


def test_a_missing_module_is_named(serializer: Serializer) -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        serializer.loads(b"cno_such_module\nfunction\n.")


def test_big_data_goes_whole(serializer: Serializer, tmp_path: Path) -> None:
    value = {"bytes": bytes(3_000_000), "text": "é" * 100_000, "numbers": list(range(100_000))}
    payload = serializer.dumps(value)
    serializer.check(payload)
    assert serializer.loads(payload) == value
