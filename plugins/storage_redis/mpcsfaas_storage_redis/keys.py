"""What the gateways know about API keys: one hash."""

from mpcsfaas_storage_redis.client import Client

KEYS = "api_keys"


async def put_key(client: Client, key_id: str, record: bytes) -> None:
    """See `Storage.put_key`."""
    await client.write("HSET", client.key(KEYS), key_id, record)


async def list_keys(client: Client) -> dict[str, bytes]:
    """See `Storage.list_keys`."""
    (words,) = await client.ask([("HGETALL", client.key(KEYS))])
    return {key_id.decode(): record for key_id, record in zip(words[::2], words[1::2], strict=True)}


async def delete_key(client: Client, key_id: str) -> bool:
    """See `Storage.delete_key`."""
    return bool(await client.write("HDEL", client.key(KEYS), key_id))
