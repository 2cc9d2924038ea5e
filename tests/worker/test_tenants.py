"""Tenants share a pool's slots, and never a child."""

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import dill

from mpcsfaas.model import Function

if TYPE_CHECKING:
    from tests.worker.conftest import PoolDriver


def leave_a_mark(secret: str) -> tuple[int, str | None]:
    """The child, and what was left in it before."""
    import builtins

    found = getattr(builtins, "mark", None)
    builtins.mark = secret  # type: ignore[attr-defined]
    return os.getpid(), found


def of_tenants(work: Callable[..., Any], *tenants: str) -> list[Function]:
    from tests.worker.conftest import make_function

    bodies = [make_function(work, tenant=tenant) for tenant in tenants]
    return [Function(**{**_fields(body), "id": f"{body.id}-{body.tenant}"}) for body in bodies]


def _fields(function: Function) -> dict[str, Any]:
    return {name: getattr(function, name) for name in Function.__struct_fields__}


def values(pool: "PoolDriver", functions: list[Function], *args: Any) -> list[Any]:
    results = pool.run(*(pool.assignment(function, *args) for function in functions))
    assert [result.failure for result in results if result.failure] == []
    return [dill.loads(result.value) for result in results]


def test_what_one_tenant_leaves_in_a_child_no_other_ever_sees(start_pool: Callable[..., "PoolDriver"]) -> None:
    """Queued together and behind one another, in fewer slots than there are tenants."""
    pool = start_pool(workers=2)
    functions = of_tenants(leave_a_mark, "red", "blue", "green")
    owners: dict[int, set[str]] = {}
    for _ in range(2):
        queued = [each for each in functions for _ in range(20)]
        assignments = [pool.assignment(each, each.tenant) for each in queued]
        for function, result in zip(queued, pool.run(*assignments), strict=True):
            assert result.failure is None
            child, found = dill.loads(result.value)
            assert found in (None, function.tenant)
            owners.setdefault(child, set()).add(function.tenant)
    assert all(len(tenants) == 1 for tenants in owners.values())


def test_each_tenant_keeps_its_warm_child_where_there_are_enough(start_pool: Callable[..., "PoolDriver"]) -> None:
    pool = start_pool(workers=2)
    red, blue = of_tenants(os.getpid, "red", "blue")
    children = {tuple(values(pool, [red, blue])) for _ in range(10)}
    assert len(children) == 1
    assert len(set(children.pop())) == 2


def test_a_tenants_only_task_is_not_overtaken_for_ever(start_pool: Callable[..., "PoolDriver"]) -> None:
    """The other tenant always has more work ready than the one slot can take."""
    pool = start_pool(workers=1)
    red, blue = of_tenants(time.sleep, "red", "blue")
    stream = [pool.assignment(red, 0.002) for _ in range(400)]
    lonely = pool.assignment(blue, 0)
    pool.submit(*stream[:10], lonely, *stream[10:])
    pool.wait_until(lambda: lonely.attempt.key in pool.results)
    assert len(pool.results) < len(stream)
    pool.wait_until(lambda: len(pool.results) == 1 + len(stream))
