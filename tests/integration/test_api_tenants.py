"""The tenant filter below the routes: nobody is not everybody."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.api.compat.queries import all_devices
from services.api.deadletters.queries import Filter, one_letter, page_of_letters
from services.api.devices.changes import add_device
from services.api.ingest.queries import all_books
from services.api.items.queries import add_item, change_item, delete_item, get_item
from services.api.readings.queries import device_exists
from services.api.resources import resources
from shared.database.tables import dead_letters
from tests.integration.api_rig import NOON_NS, Api, opened


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path) as given:
        await given.add_user(2)
        await given.add_devices("first")
        await given.add_devices("second", user_id=2)
        yield given


async def test_devices_by_tenant(api: Api) -> None:
    """None is an admin's view; an empty list is nobody's; several are several."""
    for tenants, expected in ((None, {1, 2}), ((), set()), ((1,), {1}), ((2, 1), {1, 2}), ((3,), set())):
        rows, _ = await all_devices(api.engine, tenants)
        assert {row.id for row in rows} == expected
        assert await device_exists(api.engine, "second", tenants) == (2 in expected)


async def test_letters_by_tenant(api: Api) -> None:
    """The same, in the list, in its count and one by one."""
    row = {"source": "s", "epoch": "e", "user_id": 2, "kind": "shed", "code": "c", "detail": "", "topic": "t"}
    size = {"entries": 1, "payload": b"", "payload_bytes": 0, "sha256": "", "paths": [], "received_ns": NOON_NS}
    await api.fill(dead_letters, {**row, **size, "letter": 1})
    for tenants, expected in ((None, 1), ((), 0), ((1,), 0), ((2,), 1)):
        found, total = await page_of_letters(api.engine, Filter(tenants), limit=10, offset=0)
        assert (len(found), total) == (expected, expected)
        assert (await one_letter(api.engine, 1, tenants) is not None) == bool(expected)


async def test_items_by_owner(api: Api) -> None:
    """Every statement names the owner: another one changes and deletes nothing."""
    row = {"name": "n", "description": "", "status": "pending", "quantity": 0, "user_id": 2, "created_ns": NOON_NS}
    key = (await add_item(api.engine, row))["id"]
    assert await get_item(api.engine, 1, key) is None
    assert await change_item(api.engine, 1, key, {"name": "x"}) is None
    assert not await delete_item(api.engine, 1, key)
    assert (await get_item(api.engine, 2, key) or {})["name"] == "n"
    assert await delete_item(api.engine, 2, key)


async def test_a_claimed_device_can_not_be_taken(api: Api) -> None:
    """Not even by naming it again: it stays with its owner."""
    claim = {"name": "mine", "user_id": 1}
    row = {**claim, "device_id": "second", "profile": "environment", "disabled": False}
    assert not await add_device(api.engine, row, claim, time.time_ns())
    assert await api.rows("SELECT user_id, name FROM devices WHERE device_id = 'second'") == [(2, "Second")]


async def test_books_before_the_first_worker(api: Api) -> None:
    """No rows, no error."""
    assert await all_books(api.engine) == []


async def test_routes_reach_what_the_process_opened(api: Api) -> None:
    """The very objects that create_app was given."""
    async with api.app.app_context():
        given = resources()
    assert (given.engine, given.store, given.health, given.version) == (api.engine, api.store, api.health, "1.2.3")
