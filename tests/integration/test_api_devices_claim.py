"""POST /api/v1/devices/{device_id}/claim: of any number at once, one gets the device."""

import asyncio
from collections.abc import AsyncIterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

from services.api import auth
from services.api.auth import Caller
from services.api.devices import changes
from tests.integration.api_rig import NOON_NS, Answer, Api, opened

PATH = "/api/v1/devices"

who: ContextVar[int] = ContextVar("who", default=2)


@pytest.fixture
async def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    """With the users 2 to 9, and a device that registered itself; `who` says who asks."""
    async with opened(tmp_path) as given:
        for user_id in range(2, 10):
            await given.add_user(user_id)
        await given.add_devices("walk_in", claimed=False)
        monkeypatch.setattr(auth, "identify", lambda: Caller(who.get(), "user"))
        yield given


async def claim(api: Api, user_id: int, **sent: Any) -> Answer:
    who.set(user_id)
    return await api.post(f"{PATH}/walk_in/claim", sent)


async def test_a_device_is_claimed(api: Api) -> None:
    """It is the caller's from then on, with the name given; what it measured before stays where it was."""
    assert (await api.get(f"{PATH}/walk_in")).status == 404
    claimed = await claim(api, 2, name="Porch")
    assert claimed.status == 200
    assert [claimed.json[name] for name in ("user_id", "claimed", "name")] == [2, True, "Porch"]
    assert claimed.json == (await api.get(f"{PATH}/walk_in")).json
    rows = await api.rows("SELECT device_id, measurement, user_id FROM device_measurements")
    assert [tuple(row) for row in rows] == [("walk_in", "sensor_data", 1)]


async def test_a_claim_needs_no_body(api: Api) -> None:
    """Then it keeps its name."""
    claimed = await api.ask("POST", f"{PATH}/walk_in/claim")
    assert (claimed.status, claimed.json["name"]) == (200, "Walk_In")


async def test_of_many_at_once_one_wins(api: Api) -> None:
    """One of eight tenants gets it; the others get 409, or 404 if they came when it was somebody's already."""
    asked = [asyncio.create_task(claim(api, user_id)) for user_id in range(2, 10)]
    answers = await asyncio.gather(*asked)
    statuses = [answer.status for answer in answers]
    assert statuses.count(200) == 1
    assert set(statuses) <= {200, 404, 409}
    winner = answers[statuses.index(200)].json["user_id"]
    assert [tuple(row) for row in await api.rows("SELECT user_id FROM devices")] == [(winner,)]


async def test_who_comes_second_is_told(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """409 for whoever saw it unclaimed and was overtaken; the winner keeps it."""
    assert (await claim(api, 2)).status == 200

    async def as_it_was(*_: Any) -> bool:
        return True

    monkeypatch.setattr(changes, "is_unclaimed", as_it_was)
    late = await claim(api, 3, name="Mine")
    assert (late.status, late.json["code"]) == (409, "device_claimed")
    assert [tuple(row) for row in await api.rows("SELECT user_id, name FROM devices")] == [(2, "Walk_In")]


async def test_ones_own_device_is_claimed_already(api: Api) -> None:
    """409 for its owner, 404 for everybody else."""
    await claim(api, 2)
    again = await claim(api, 2)
    assert (again.status, again.json["code"]) == (409, "device_claimed")
    assert (await claim(api, 3)).status == 404


async def test_a_claim_with_something_wrong_claims_nothing(api: Api) -> None:
    """400 with the field; it can still be claimed."""
    refused = await claim(api, 2, profile="toaster")
    assert (refused.status, refused.json["details"][0]["field"]) == (400, "profile")
    assert (await claim(api, 3)).status == 200


async def test_of_many_that_add_at_once_one_wins(api: Api) -> None:
    """A device that registered itself is named by one of those who add it: one 201, the rest 409."""

    async def add(user_id: int) -> int:
        who.set(user_id)
        return (await api.post(PATH, {"device_id": "walk_in", "name": f"n{user_id}"})).status

    statuses = sorted(await asyncio.gather(*(asyncio.create_task(add(user_id)) for user_id in range(2, 10))))
    assert statuses == [201] + [409] * 7
    ((user_id, name, created_ns),) = await api.rows("SELECT user_id, name, created_ns FROM devices")
    assert (name, created_ns) == (f"n{user_id}", NOON_NS)
