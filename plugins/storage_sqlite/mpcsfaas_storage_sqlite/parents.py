"""Tasks that come after others: each is HELD for as long as a row of `wait` says for whom."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain

import msgspec

from mpcsfaas_storage_sqlite.rows import many, read
from mpcsfaas_storage_sqlite.schema import DELAYED, HELD, READY, RUNNING
from mpcsfaas_storage_sqlite.transaction import Transaction


class _Child(msgspec.Struct, array_like=True):
    child: int


INSERT_WAIT = f"""
    INSERT OR IGNORE INTO wait (parent, child)
    SELECT task.position, json_extract(asked.value, '$[1]')
    FROM json_each(?) AS asked JOIN task ON task.id = json_extract(asked.value, '$[0]')
    WHERE task.phase <= {RUNNING}
"""
SELECT_CHILDREN = "SELECT DISTINCT child FROM wait WHERE parent IN (SELECT value FROM json_each(?))"
DELETE_WAIT = "DELETE FROM wait WHERE parent IN (SELECT value FROM json_each(?))"
UPDATE_RELEASED = f"""
    UPDATE task SET phase = CASE WHEN ready_at > ? THEN {DELAYED} ELSE {READY} END
    WHERE phase = {HELD} AND position IN (SELECT value FROM json_each(?))
        AND NOT EXISTS (SELECT 1 FROM wait WHERE child = task.position)
"""


def hold(transaction: Transaction, parents: Mapping[int, Sequence[str]]) -> None:
    """Have new HELD tasks, by their positions, wait for those of their parents that have not ended."""
    pairs = chain.from_iterable(((parent, child) for parent in ids) for child, ids in parents.items())
    transaction.execute(INSERT_WAIT, many(pairs))
    transaction.has_waits = True
    _release(transaction, parents)


def parents_ended(transaction: Transaction, positions: Iterable[int]) -> None:
    """Whoever waited for the last of these waits no longer. It asks nothing while nobody waits for anybody."""
    if not transaction.has_waits:
        return
    ended = many(positions)
    children = [row.child for row in read(transaction.connection, _Child, SELECT_CHILDREN, ended)]
    if children:
        transaction.execute(DELETE_WAIT, ended)
        _release(transaction, children)


def _release(transaction: Transaction, children: Collection[int]) -> None:
    transaction.execute(UPDATE_RELEASED, transaction.now, many(children))
    transaction.refresh_next_ready_at()
    transaction.effects.work = True
