"""Who holds which attempt, and until when."""

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from mpcsfaas.errors import StorageUnavailable
from mpcsfaas.model import Attempt, AttemptKey
from mpcsfaas_storage_redis import records
from mpcsfaas_storage_redis.client import Client, Word
from mpcsfaas_storage_redis.slices import SLICE, slices


async def claim(
    client: Client, dispatcher_id: str, limit: int, lease: float, labels: Collection[frozenset[str]]
) -> list[Attempt]:
    """See `Storage.claim`."""
    offers = msgspec.json.encode([sorted(offer) for offer in labels])
    return await _claim(client, "claim", dispatcher_id, limit, lease, offers)


async def claim_overdue(
    client: Client, dispatcher_id: str, limit: int, lease: float, default_deadline: float | None
) -> list[Attempt]:
    """See `Storage.claim_overdue`."""
    default = "" if default_deadline is None else repr(float(default_deadline))
    return await _claim(client, "claim_overdue", dispatcher_id, limit, lease, default)


async def claim_lapsed(client: Client, dispatcher_id: str, limit: int, lease: float) -> list[Attempt]:
    """See `Storage.claim_lapsed`."""
    return await _claim(client, "claim_lapsed", dispatcher_id, limit, lease)


async def _claim(
    client: Client, script: str, dispatcher_id: str, limit: int, lease: float, *more: Word
) -> list[Attempt]:
    """Claim in slices. What was claimed before the server went away is claimed: it is given, not lost."""
    claimed: list[Attempt] = []
    is_all = False
    while len(claimed) < limit and not is_all:
        wanted = min(limit - len(claimed), SLICE)
        try:
            reply = await client.change(script, dispatcher_id, wanted, repr(float(lease)), *more)
        except StorageUnavailable:
            if claimed:
                return claimed
            raise
        found = _attempts(reply)
        claimed += found
        is_all = len(found) < wanted and not reply[0]
    return claimed


def _attempts(reply: Sequence[Any]) -> list[Attempt]:
    return [records.attempt(*reply[start : start + 3]) for start in range(1, len(reply), 3)]


async def adopt(client: Client, dispatcher_id: str, keys: Sequence[AttemptKey], lease: float) -> list[Attempt]:
    """See `Storage.adopt`. The server looks at fewer keys than it is given when their payloads are large."""
    adopted: list[Attempt] = []
    distinct = list(dict.fromkeys(keys))
    while distinct:
        reply = await client.change("adopt", dispatcher_id, repr(float(lease)), *_words(distinct[:SLICE]))
        adopted += _attempts(reply)
        del distinct[: reply[0]]
    return adopted


async def renew(client: Client, dispatcher_id: str, keys: Sequence[AttemptKey], lease: float) -> list[AttemptKey]:
    """See `Storage.renew`."""
    lost: list[AttemptKey] = []
    for part in slices(keys):
        places = await client.change("renew", dispatcher_id, repr(float(lease)), *_words(part))
        lost += [part[place] for place in places]
    return lost


async def take_cancellations(client: Client, dispatcher_id: str) -> list[AttemptKey]:
    """See `Storage.take_cancellations`."""
    taken: list[AttemptKey] = []
    while ids := await client.take(f"cancelled:{dispatcher_id}", SLICE):
        pairs = await client.change("take_cancellations", dispatcher_id, *ids)
        taken += [AttemptKey(pairs[place].decode(), pairs[place + 1]) for place in range(0, len(pairs), 2)]
    return taken


def _words(keys: Sequence[AttemptKey]) -> list[Word]:
    return [word for key in keys for word in key]
