"""`sqlite` keeps the contract, and tells the oracle's story."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import settings

from mpcsfaas.interfaces.storage import StorageOptions
from mpcsfaas.testing.storage_contract import SharedStorageContract
from mpcsfaas.testing.storage_machine import StorageMachine
from mpcsfaas_storage_memory import MemoryStorage
from mpcsfaas_storage_sqlite import SqliteOptions, SqliteStorage


class TestSqliteStorage(SharedStorageContract):
    def make(self, folder: Path, clock: Callable[[], float], max_unfinished: int) -> SqliteStorage:
        options = SqliteOptions(max_unfinished=max_unfinished)
        return SqliteStorage(f"sqlite:///{folder}/storage.db", options, clock)


class SqliteMachine(StorageMachine):
    def make(self, clock: Callable[[], float]) -> SqliteStorage:
        self.folder = tempfile.TemporaryDirectory()
        return SqliteStorage(f"sqlite:///{self.folder.name}/storage.db", SqliteOptions(), clock)

    def make_oracle(self, clock: Callable[[], float]) -> MemoryStorage:
        return MemoryStorage("memory://", StorageOptions(), clock)

    def teardown(self) -> None:
        super().teardown()
        if hasattr(self, "folder"):
            self.folder.cleanup()


TestSqliteMachine = SqliteMachine.TestCase
TestSqliteMachine.settings = settings(max_examples=30, deadline=None)
