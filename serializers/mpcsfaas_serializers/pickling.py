"""What the serializers that write pickles have in common."""

from abc import abstractmethod
from importlib.metadata import version
from typing import Any, ClassVar

from mpcsfaas.errors import InvalidPayload, SerializationError
from mpcsfaas.interfaces import Serializer
from mpcsfaas_serializers import pickle_check
from mpcsfaas_serializers.culprit import describe_refusal, parts_of_object, reason_of


class PickleSerializer(Serializer):
    """Plain data goes through the C pickler, anything else through the wrapped library."""

    carries_functions: ClassVar[bool] = True

    @abstractmethod
    def _dumps_any(self, value: Any) -> bytes:
        """Serialise by the wrapped library; raises whatever that raises."""

    @abstractmethod
    def _loads_any(self, data: bytes) -> Any:
        """Deserialise; raises whatever the wrapped library, or the code that `data` names, raises."""

    def version(self) -> str:
        """Version of the wrapped library."""
        return version(self.name)

    def check(self, data: bytes) -> None:
        """Walk every opcode."""
        pickle_check.check(data)

    def check_quick(self, data: bytes) -> None:
        """Look at both ends."""
        pickle_check.check_quick(data)

    def dumps(self, value: Any) -> bytes:
        """Serialise data, functions, classes and instances."""
        from mpcsfaas_serializers.plain_pickle import dumps_plain

        try:
            return dumps_plain(value) or self._dumps_any(value)
        except Exception as error:
            refusal = describe_refusal(value, error, self._dumps_any, parts_of_object)
        raise SerializationError(f"{self.name} cannot serialise {refusal}")

    def loads(self, data: bytes) -> Any:
        """Deserialise; runs code that `data` names."""
        import pickle

        try:
            return self._loads_any(data)
        except (pickle.UnpicklingError, EOFError) as error:
            raise InvalidPayload(f"The payload is no whole pickle: {reason_of(error)}.") from error
