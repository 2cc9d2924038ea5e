"""What goes in and what comes out when nothing goes wrong."""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.worker.conftest import PoolDriver


@pytest.mark.parametrize("serializer", ["dill", "cloudpickle", "msgpack", "json"])
def test_a_function_is_called_with_its_arguments(pool: "PoolDriver", serializer: str) -> None:
    def join(*args: Any, **kwargs: Any) -> list[Any]:
        return [list(args), kwargs]

    assert pool.value(join, 1, "zwei", key=[3], serializer=serializer) == [[1, "zwei"], {"key": [3]}]
