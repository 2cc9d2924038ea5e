"""The storage contract as tests: every sentence of `mpcsfaas.interfaces.storage`, for any storage.

    class TestMyStorage(StorageContract):
        def make(self, folder, clock, max_unfinished):
            return MyStorage("mine://" + folder.name, MyOptions(max_unfinished=max_unfinished), clock)

runs it under pytest. Nothing else is needed; asyncio is started by the cases themselves.
"""

from mpcsfaas.testing.storage_cases.claim import ClaimCases, OverdueCases
from mpcsfaas.testing.storage_cases.enqueue import EnqueueCases
from mpcsfaas.testing.storage_cases.functions import FunctionCases
from mpcsfaas.testing.storage_cases.housekeeping import DispatcherCases, ExpiryCases
from mpcsfaas.testing.storage_cases.keys import KeyCases
from mpcsfaas.testing.storage_cases.outcome import CancelCases, FinishCases
from mpcsfaas.testing.storage_cases.parents import ParentCases, SharedParentCases
from mpcsfaas.testing.storage_cases.quotas import QueuedQuotaCases, RunningQuotaCases, SharedQuotaCases
from mpcsfaas.testing.storage_cases.reading import FeedCases, ListingCases
from mpcsfaas.testing.storage_cases.sharing import SharingCases
from mpcsfaas.testing.storage_cases.waiting import CompletionWaitCases, WorkWaitCases


class StorageContract(
    FunctionCases,
    EnqueueCases,
    ClaimCases,
    OverdueCases,
    FinishCases,
    CancelCases,
    ListingCases,
    FeedCases,
    WorkWaitCases,
    CompletionWaitCases,
    ExpiryCases,
    DispatcherCases,
    KeyCases,
    QueuedQuotaCases,
    RunningQuotaCases,
    ParentCases,
):
    """What every storage keeps. Subclass it and implement `make`."""


class SharedStorageContract(StorageContract, SharingCases, SharedQuotaCases, SharedParentCases):
    """What a storage keeps that several processes use: `make` gives two instances of one folder the same data."""
