"""The serializer of the original system: Python objects and functions, by dill."""

from typing import Any, ClassVar

from mpcsfaas.hookspecs import hookimpl
from mpcsfaas.interfaces import Serializer
from mpcsfaas_serializers.pickling import PickleSerializer

MPCSFAAS_API_VERSION = 1

DILL_ONLY = (b"__main__", b"__builtin__", b"dill.dill")
"""Names that dill's unpickler treats in its own way; a pickle without them means the same to the standard one."""


class DillSerializer(PickleSerializer):
    """Functions of `__main__`, lambdas and closures travel by value; those of an importable module by its name.

    A function takes along the globals that it uses (`recurse=True`); dill's default leaves them to be found in the
    worker's `__main__`, where they are not. An Enum that `__main__` defines travels by name all the same; cloudpickle
    carries it.
    """

    name: ClassVar[str] = "dill"

    def _dumps_any(self, value: Any) -> bytes:
        import dill

        data: bytes = dill.dumps(value, protocol=5, byref=False, fmode=dill.HANDLE_FMODE, recurse=True)
        return data

    def _loads_any(self, data: bytes) -> Any:
        if not any(name in data for name in DILL_ONLY):
            import pickle

            return pickle.loads(data)  # noqa: S301 - only workers and clients call this, as the interface says
        import dill

        return dill.loads(data)  # noqa: S301 - only workers and clients call this, as the interface says


@hookimpl
def mpcsfaas_serializers() -> list[type[Serializer]]:
    """Register."""
    return [DillSerializer]
