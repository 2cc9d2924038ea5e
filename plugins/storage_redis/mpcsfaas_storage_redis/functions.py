"""Functions: a hash each, and a sorted set of the ids of those that are not deleted."""

import msgspec

from mpcsfaas.interfaces.storage import Page
from mpcsfaas.model import Function
from mpcsfaas_storage_redis.client import Client

_decode = msgspec.msgpack.Decoder(Function).decode


async def put_function(client: Client, function: Function) -> bool:
    """See `Storage.put_function`."""
    head = msgspec.msgpack.encode(msgspec.structs.replace(function, payload=b""))
    return bool(await client.change("put_function", function.id, head, function.payload))


async def get_function(client: Client, function_id: str, include_deleted: bool) -> Function | None:
    """See `Storage.get_function`."""
    (head, payload), is_live = await client.ask(
        [
            ("HMGET", client.key(f"function:{function_id}"), "head", "payload"),
            ("ZSCORE", client.key("functions"), function_id),
        ]
    )
    if head is None or not (is_live or include_deleted):
        return None
    return msgspec.structs.replace(_decode(head), payload=payload)


async def list_functions(client: Client, cursor: str | None, limit: int) -> Page[Function]:
    """See `Storage.list_functions`."""
    after = "-" if cursor is None else f"({cursor}"
    (ids,) = await client.ask([("ZRANGEBYLEX", client.key("functions"), after, "+", "LIMIT", 0, limit + 1)])
    page = [function_id.decode() for function_id in ids[:limit]]
    heads = await client.ask([("HGET", client.key(f"function:{function_id}"), "head") for function_id in page])
    return Page([_decode(head) for head in heads], page[-1] if page and len(ids) > limit else None)


async def delete_function(client: Client, function_id: str) -> bool:
    """See `Storage.delete_function`."""
    return bool(await client.change("delete_function", function_id))
