"""What `Recent` says is never wrong: it is what the file would say, or nothing."""

from hypothesis import example, given
from hypothesis import strategies as st

from mpcsfaas.interfaces.storage import Completion
from mpcsfaas.model import Failure, FailureKind, State, TaskResult
from mpcsfaas.recent import Ended, Recent

DROPPED = 100
"""The moment at which results of tasks that do not last go."""


def ended(sequence: int, size: int = 1, drop_at: int = 10**9) -> Ended:
    name = str(sequence)
    completion = Completion(sequence, name, None, State.COMPLETED)
    return Ended(completion, TaskResult(name, State.COMPLETED, "json", b"x" * size), drop_at)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ours"), st.integers(1, 4), st.booleans()),
        st.tuples(st.just("theirs"), st.integers(1, 4), st.booleans()),
        st.tuples(st.sampled_from(["heard", "synced"]), st.just(0), st.just(True)),
    ),
    max_size=20,
)


@example([("ours", 1, True), ("theirs", 1, True), ("heard", 0, True), ("synced", 0, True)], 1, 1, 0)
@given(STEPS, st.integers(0, 12), st.integers(1, 10), st.sampled_from([0, DROPPED]))
def test_it_says_what_the_file_would_say_or_nothing(
    steps: list[tuple[str, int, bool]], after: int, limit: int, now: int
) -> None:
    recent = Recent(most=8)
    file: list[Ended] = []
    pending: list[tuple[list[Ended], int]] = []
    """What this process has written, and is yet to tell of: the disk has to have it first."""
    unheard = 0
    """The last that another process has written, if this one is yet to hear of it."""
    for who, number, lasts in steps:
        items = [ended(len(file) + i + 1, drop_at=10**9 if lasts else DROPPED) for i in range(number)]
        file += items
        if who == "ours":
            pending.append((items, recent.interruptions))
        elif who == "theirs":
            unheard = len(file)
        elif who == "heard":
            recent.others_wrote()
            unheard = 0
        elif pending:
            recent.add(*pending.pop(0))
    lasting = [item for item in file if now < item.drop_at]
    truth = [item.completion for item in lasting if item.completion.sequence > after]
    said = recent.completions(after, limit, now)
    assert said in ([], truth[:limit]) or ((unheard or pending) and said == truth[: len(said)])
    for name, result in recent.results([item.completion.task_id for item in file], now).items():
        assert result == file[int(name) - 1].result
        assert now < file[int(name) - 1].drop_at
    if not pending and unheard <= after and recent.is_latest(after):
        assert after == len(file)


def test_it_knows_what_was_just_ended() -> None:
    recent = Recent()
    recent.add(map(ended, range(5, 9)))
    assert [item.sequence for item in recent.completions(4, 3, 0)] == [5, 6, 7]
    assert [item.sequence for item in recent.completions(7, 3, 0)] == [8]
    assert recent.completions(3, 3, 0) == []
    assert recent.is_latest(8)
    assert recent.results(["5", "9"], 0) == {"5": ended(5).result}


def test_what_it_keeps_is_bounded_in_number_and_in_bytes() -> None:
    recent = Recent(most=3, most_bytes=100)
    recent.add(ended(sequence, size=10) for sequence in range(1, 10))
    assert recent.results(map(str, range(1, 10)), 0).keys() == {"7", "8", "9"}
    recent.add([ended(10, size=95)])
    assert recent.results(map(str, range(1, 11)), 0).keys() == {"10"}
    failure = Failure(FailureKind.EXCEPTION, "why", "ValueError", "line\n" * 19)
    failed = TaskResult("12", State.FAILED, "json", b"", failure)
    recent.add([ended(11, size=10), ended(12)._replace(result=failed)])
    assert recent.results(["11", "12"], 0).keys() == {"12"}
    recent.add([ended(13, size=1000)])
    assert recent.results(map(str, range(1, 14)), 0) == {}
