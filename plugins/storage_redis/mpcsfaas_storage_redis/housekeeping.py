"""What is old goes; who is there reports."""

import msgspec

from mpcsfaas.model import DispatcherInfo
from mpcsfaas_storage_redis.client import Client
from mpcsfaas_storage_redis.slices import SLICE

_decode = msgspec.msgpack.Decoder(DispatcherInfo).decode


async def expire(client: Client, limit: int) -> int:
    """See `Storage.expire`."""
    expired = 0
    may_be_more = True
    while may_be_more and expired < limit:
        number, may_be_more = await client.change("expire", min(limit - expired, SLICE))
        expired += number
    return expired


async def report_dispatcher(client: Client, info: DispatcherInfo) -> None:
    """See `Storage.report_dispatcher`."""
    await client.change("report_dispatcher", info.id, repr(float(info.expires_at)), msgspec.msgpack.encode(info))


async def remove_dispatcher(client: Client, dispatcher_id: str) -> None:
    """See `Storage.remove_dispatcher`."""
    await client.change("report_dispatcher", dispatcher_id, "0", b"")


async def dispatchers(client: Client) -> list[DispatcherInfo]:
    """See `Storage.dispatchers`."""
    reports = await client.ask_script("dispatchers")
    return [_decode(report) for report in reports if report]
