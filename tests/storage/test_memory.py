"""The reference keeps the contract that it is the reference of."""

from collections.abc import Callable
from pathlib import Path

from hypothesis import settings

from mpcsfaas.interfaces.storage import StorageOptions
from mpcsfaas.testing.storage_contract import StorageContract
from mpcsfaas.testing.storage_machine import StorageMachine
from mpcsfaas_storage_memory import MemoryStorage


class TestMemoryStorage(StorageContract):
    def make(self, folder: Path, clock: Callable[[], float], max_unfinished: int) -> MemoryStorage:
        return MemoryStorage("memory://", StorageOptions(max_unfinished=max_unfinished), clock)


class MemoryMachine(StorageMachine):
    def make(self, clock: Callable[[], float]) -> MemoryStorage:
        return MemoryStorage("memory://", StorageOptions(), clock)

    make_oracle = make


TestMemoryMachine = MemoryMachine.TestCase
TestMemoryMachine.settings = settings(max_examples=30, deadline=None)
