"""/api/v1/items: seed 003 to the letter, on a real database."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.api import auth
from services.api.auth import Caller
from services.api.items.schemas import Items
from shared.times import parse_iso_ns
from tests.integration.api_rig import Api, opened

PATH = "/api/v1/items"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path) as given:
        yield given


async def test_the_curl_lines_of_the_seed(api: Api) -> None:
    """Create, list, read, change, delete, and then it is gone."""
    created = await api.post(PATH, {"name": "Test Item", "status": "pending"})
    assert created.status == 201
    made = created.json
    assert made == {
        "id": "1",
        "name": "Test Item",
        "description": "",
        "status": "pending",
        "quantity": 0,
        "created_at": made["created_at"],
        "updated_at": None,
    }
    assert parse_iso_ns(made["created_at"]) > 0
    assert (await api.get(PATH)).json == [made]
    assert (await api.get(f"{PATH}/1")).json == made
    changed = await api.put(f"{PATH}/1", {"status": "completed"})
    assert changed.status == 200
    assert changed.json == {**made, "status": "completed", "updated_at": changed.json["updated_at"]}
    assert parse_iso_ns(changed.json["updated_at"]) >= parse_iso_ns(made["created_at"])
    deleted = await api.ask("DELETE", f"{PATH}/1")
    assert (deleted.status, deleted.body) == (204, b"")
    gone = await api.get(f"{PATH}/1")
    assert (gone.status, gone.json["error"], gone.json["code"]) == (404, "Item not found", "item_not_found")


async def test_a_change_may_send_the_whole_item_back(api: Api) -> None:
    """As a form does; id and times are not taken from it."""
    made = (await api.post(PATH, {"name": "a", "quantity": 3})).json
    changed = (await api.put(f"{PATH}/1", {**made, "name": "b", "id": "99", "created_at": "x"})).json
    assert (changed["id"], changed["name"], changed["quantity"]) == ("1", "b", 3)
    assert changed["created_at"] == made["created_at"]


async def test_items_can_be_chosen_by_status(api: Api) -> None:
    """`?status=` leaves out the others."""
    for name, status in (("a", "pending"), ("b", "active"), ("c", "pending")):
        await api.post(PATH, {"name": name, "status": status})
    assert [item["name"] for item in (await api.get(f"{PATH}?status=pending")).json] == ["a", "c"]
    assert (await api.get(f"{PATH}?status=completed")).json == []
    refused = await api.get(f"{PATH}?status=lost")
    assert (refused.status, refused.json["details"][0]["field"]) == (400, "status")


async def test_a_list_is_bare_until_a_page_is_asked_for(api: Api) -> None:
    """With page or per_page it comes in an envelope with the total."""
    for number in range(5):
        await api.post(PATH, {"name": f"n{number}"})
    bare = (await api.get(PATH)).json
    assert isinstance(bare, list)
    page = (await api.get(f"{PATH}?page=2&per_page=2")).json
    for answer in (bare, page):
        Items.model_validate(answer, extra="forbid")
    assert [item["name"] for item in page["data"]] == ["n2", "n3"]
    assert (page["total"], page["page"], page["per_page"]) == (5, 2, 2)
    assert (await api.get(f"{PATH}?page=1000000000&per_page=1000")).json["data"] == []


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({}, "Name is required"),
        ({"status": "active"}, "Name is required"),
        ({"name": ""}, "Name is required"),
        ({"name": None}, "Name is required"),
        ({"name": "n" * 256}, "at most 255"),
        ({"name": "n\x00"}, "NUL"),
        ({"name": "n", "status": "lost"}, "'pending', 'active' or 'completed'"),
        ({"name": "n", "quantity": 2**63}, "less than or equal"),
        ({"name": "n", "quantity": 10**30}, "less than or equal to 9223372036854775807"),
        ({"name": "n", "quantity": 1.5}, "integer"),
        ({"name": "n", "quantity": "many"}, "integer"),
        ({"name": "n", "description": ["x"]}, "string"),
    ],
)
async def test_what_is_wrong_with_an_item_is_said(api: Api, sent: dict[str, Any], said: str) -> None:
    """400 in the seed's words where it had some; nothing is stored."""
    refused = await api.post(PATH, sent)
    assert refused.status == 400, refused.json
    assert said in refused.json["error"]
    assert (await api.get(PATH)).json == []


async def test_int64_is_kept_whole(api: Api) -> None:
    """To its last value, both ways."""
    for quantity in (2**63 - 1, -(2**63)):
        assert (await api.post(PATH, {"name": "n", "quantity": quantity})).json["quantity"] == quantity


@pytest.mark.parametrize(
    "item_id", ["abc", "0", "-1", "1.0", "9" * 19, "9" * 5_000, "%00", "%EF%BC%91", "1%20or%201=1"]
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_an_id_that_names_nothing(api: Api, item_id: str, method: str) -> None:
    """404 `Item not found`, whatever it looks like."""
    await api.post(PATH, {"name": "n"})
    answer = await api.ask(method, f"{PATH}/{item_id}", json={"name": "x"})
    assert (answer.status, answer.json["error"]) == (404, "Item not found")


async def test_an_item_belongs_to_its_owner(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """For another tenant it is not there: not to read, not to change, not to delete."""
    await api.post(PATH, {"name": "admin's"})
    await api.add_user(2)
    monkeypatch.setattr(auth, "identify", lambda: Caller(2, "user"))
    assert (await api.get(PATH)).json == []
    assert (await api.get(f"{PATH}/1")).status == 404
    assert (await api.put(f"{PATH}/1", {"name": "mine"})).status == 404
    assert (await api.ask("DELETE", f"{PATH}/1")).status == 404
    assert await api.rows("SELECT name FROM items") == [("admin's",)]
