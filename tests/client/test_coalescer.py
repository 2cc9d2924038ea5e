from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mpcsfaas.client.coalescer import Coalescer
from mpcsfaas.client.operations import ENTRY_OVERHEAD, size_of
from mpcsfaas.client.payloads import PackedFunction
from mpcsfaas.client.session import NewTask

MAX_ITEMS = 4
MAX_BYTES = 5 * ENTRY_OVERHEAD


def make_task(number: int, size: int) -> NewTask:
    return NewTask(f"task-{number}", PackedFunction("f"), {"payload": b"x" * size})


class CoalescerMachine(RuleBasedStateMachine):
    """Against a plain list of what was added and neither handed out nor cancelled."""

    def __init__(self) -> None:
        super().__init__()
        self.coalescer = Coalescer(MAX_ITEMS, MAX_BYTES)
        self.waiting: list[NewTask] = []
        self.sent: list[str] = []
        self.cancellations: list[str] = []
        self.count = 0

    @rule(size=st.sampled_from([0, 0, 0, 1, MAX_BYTES // 2, 2 * MAX_BYTES]))
    def add(self, size: int) -> None:
        task = make_task(self.count, size)
        self.count += 1
        self.waiting.append(task)
        self.coalescer.add(task)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def cancel_waiting(self, data: st.DataObject) -> None:
        task = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(task)
        self.coalescer.cancel(task.id)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def cancel_sent(self, data: st.DataObject) -> None:
        task_id = data.draw(st.sampled_from(self.sent))
        self.cancellations.append(task_id)
        self.coalescer.cancel(task_id)

    @rule()
    def next_batch(self) -> None:
        batch = self.coalescer.next_batch()
        assert batch.cancellations == self.cancellations
        assert batch.tasks == self.waiting[: len(batch.tasks)]
        self.cancellations = []
        self.waiting = self.waiting[len(batch.tasks) :]
        self.sent += [task.id for task in batch.tasks]
        self.check_limits(batch.tasks)

    def check_limits(self, tasks: list[NewTask]) -> None:
        size = sum(map(size_of, tasks))
        assert len(tasks) <= MAX_ITEMS
        assert size <= MAX_BYTES or len(tasks) == 1
        if self.waiting:
            assert len(tasks) == MAX_ITEMS or size + size_of(self.waiting[0]) > MAX_BYTES, "a batch was cut too small"

    @rule()
    def take_all(self) -> None:
        assert self.coalescer.take_all() == self.waiting
        self.waiting = []

    @invariant()
    def knows_whether_there_is_something_to_do(self) -> None:
        assert bool(self.coalescer) == bool(self.waiting or self.cancellations)


TestCoalescer = CoalescerMachine.TestCase
TestCoalescer.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
