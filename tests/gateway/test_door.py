"""What the door remembers of keys, and for how long."""

import asyncio
from collections.abc import Mapping

import pytest

from mpcsfaas.errors import StorageUnavailable
from mpcsfaas.gateway.auth.door import Door
from mpcsfaas.gateway.auth.keyring import MAX_AGE, NEWS, Keyring
from mpcsfaas.gateway.auth.keys import ApiKey, create_key, encode_key
from mpcsfaas.gateway.auth.peers import trusted_uids
from mpcsfaas.gateway.problems import Problem
from mpcsfaas.testing.clock import FakeClock


class Records:
    """Keys in a storage that counts how often it is asked."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.asked = 0
        self.is_down = False

    async def load(self) -> Mapping[str, bytes]:
        self.asked += 1
        await asyncio.sleep(0)
        if self.is_down:
            raise StorageUnavailable("down")
        return dict(self.kept)

    def add(self, **settings: float) -> ApiKey:
        _, key = create_key(now=0.0, expires_at=settings.get("expires_at"))
        self.kept[key.id] = encode_key(key)
        return key


def test_the_end_of_a_key_that_others_found_out_is_known_to_requests_under_way() -> None:
    records, clock = Records(), FakeClock()
    keyring = Keyring(records.load, clock)
    door, staying, going = Door(keyring), records.add(), records.add()

    async def scenario() -> None:
        await keyring.refresh()
        staying_now, going_now = keyring.get(staying.id), keyring.get(going.id)
        assert staying_now
        assert going_now
        assert door.is_still_good(going_now)
        del records.kept[going.id]
        await keyring.refresh()
        assert not door.is_still_good(going_now)
        with pytest.raises(Problem, match="unknown"):
            await door.look_again(going_now)
        await door.look_again(staying_now)

    asyncio.run(scenario())


def test_a_key_ends_while_its_request_is_under_way() -> None:
    records, clock, wall = Records(), FakeClock(), FakeClock()
    door, key = Door(Keyring(records.load, clock), wall_clock=wall), records.add(expires_at=wall() + 1)

    async def scenario() -> None:
        await door.look_again(key)
        wall.advance(1)
        with pytest.raises(Problem, match="expired"):
            await door.look_again(key)

    asyncio.run(scenario())


def test_many_who_need_a_copy_at_once_share_it() -> None:
    records = Records()
    keyring = Keyring(records.load, FakeClock())

    async def scenario() -> None:
        await asyncio.gather(*(keyring.refresh() for _ in range(100)))

    asyncio.run(scenario())
    assert records.asked == 1


def test_guessing_ids_costs_the_storage_little() -> None:
    records = Records()
    keyring = Keyring(records.load)

    async def scenario() -> None:
        await keyring.refresh()
        assert await asyncio.gather(*(keyring.find(str(number)) for number in range(100))) == [None] * 100

    asyncio.run(scenario())
    assert records.asked == 2
    assert NEWS < MAX_AGE


def test_a_storage_that_is_away_lets_nobody_in_on_what_was_known_long_ago() -> None:
    records, clock = Records(), FakeClock()
    keyring = Keyring(records.load, clock)
    records.add()

    async def scenario() -> None:
        await keyring.refresh()
        assert not keyring.is_stale
        clock.advance(MAX_AGE)
        assert keyring.is_stale
        records.is_down = True
        with pytest.raises(StorageUnavailable):
            await keyring.refresh()
        assert keyring.is_stale

    asyncio.run(scenario())


def test_nobody_but_the_user_who_runs_it_and_root_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1234)
    assert trusted_uids() == {1234, 0}
