"""/api/v1/orders: seed 003's model with its lines, on a real database."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.api import auth
from services.api.auth import Caller
from services.api.orders.queries import Filter, Line, UnknownItem, add_order, change_order, get_order, list_orders
from services.api.orders.schemas import Orders
from tests.integration.api_rig import NOON_NS, Answer, Api, opened

ITEMS = "/api/v1/items"
PATH = "/api/v1/orders"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path) as given:
        for name in ("bolt", "nut"):
            await given.post(ITEMS, {"name": name})
        yield given


def order(number: str, *item_ids: Any) -> dict[str, Any]:
    return {"internal_number": number, "items": [{"item_id": each, "quantity": 2} for each in item_ids]}


async def numbers(api: Api, **asked: Any) -> list[str]:
    answer = await api.get(PATH, query_string=asked)
    assert answer.status == 200, answer.json
    return [found["internal_number"] for found in answer.json]


async def test_an_order_from_its_making_to_its_end(api: Api) -> None:
    """Create, list, read, change, delete, and then it is gone with its lines, but not its items."""
    created = await api.post(PATH, {**order("2026-001", "2", "1"), "status": "pending"})
    assert created.status == 201
    made = created.json
    assert made == {
        "id": "1",
        "internal_number": "2026-001",
        "status": "pending",
        "items": [{"item_id": "2", "quantity": 2}, {"item_id": "1", "quantity": 2}],
        "created_at": made["created_at"],
        "updated_at": None,
    }
    assert (await api.get(PATH)).json == [made]
    assert (await api.get(f"{PATH}/1")).json == made
    changed = await api.put(f"{PATH}/1", {"status": "shipped", "items": [{"item_id": 1, "quantity": 5}]})
    later = {"status": "shipped", "items": [{"item_id": "1", "quantity": 5}], "updated_at": changed.json["updated_at"]}
    assert (changed.status, changed.json) == (200, {**made, **later})
    assert (await api.put(f"{PATH}/1", {"internal_number": "2026-002"})).json["items"] == later["items"]
    deleted = await api.ask("DELETE", f"{PATH}/1")
    assert (deleted.status, deleted.body) == (204, b"")
    gone = await api.get(f"{PATH}/1")
    assert (gone.status, gone.json["error"], gone.json["code"]) == (404, "Order not found", "order_not_found")
    assert await api.rows("SELECT * FROM order_lines") == []
    assert len((await api.get(ITEMS)).json) == 2


async def test_a_change_may_send_the_whole_order_back(api: Api) -> None:
    """As a form does; id and times are not taken from it."""
    made = (await api.post(PATH, order("a", "1"))).json
    changed = (await api.put(f"{PATH}/1", {**made, "status": "active", "id": "99", "created_at": "x"})).json
    assert changed == {**made, "status": "active", "updated_at": changed["updated_at"]}


async def test_orders_can_be_found(api: Api) -> None:
    """By status, by their number, by a part of it; % and _ mean themselves."""
    for number, status in (("A-1", "pending"), ("b-1%", "active"), ("B_2", "active")):
        await api.post(PATH, {"internal_number": number, "status": status})
    assert await numbers(api, status="active") == ["b-1%", "B_2"]
    assert await numbers(api, internal_number="A-1") == ["A-1"]
    assert await numbers(api, internal_number="A") == []
    assert await numbers(api, q="-1") == ["A-1", "b-1%"]
    assert await numbers(api, q="B") == ["b-1%", "B_2"]
    assert (await numbers(api, q="%"), await numbers(api, q="_")) == (["b-1%"], ["B_2"])
    assert await numbers(api, q="' OR 1=1 --") == []
    assert (await api.get(f"{PATH}?sort=id")).status == 400


async def test_a_list_is_bare_until_a_page_is_asked_for(api: Api) -> None:
    """A page counts orders, not their lines."""
    for number in range(5):
        await api.post(PATH, order(f"n{number}", "1", "2", "1"))
    bare, page = (await api.get(PATH)).json, (await api.get(f"{PATH}?page=2&per_page=2")).json
    for answer in (bare, page):
        Orders.model_validate(answer, extra="forbid")
    assert page["data"] == bare[2:4]
    assert [len(found["items"]) for found in bare] == [3] * 5
    assert (page["total"], page["page"], page["per_page"]) == (5, 2, 2)


@pytest.mark.parametrize(
    ("sent", "field", "said"),
    [
        ({}, "internal_number", "Internal number is required"),
        ({"internal_number": ""}, "internal_number", "Internal number is required"),
        ({"internal_number": "n" * 51}, "internal_number", "at most 50"),
        ({"internal_number": "n\x00"}, "internal_number", "NUL"),
        ({"internal_number": "n", "status": ""}, "status", "Status is required"),
        ({"internal_number": "n", "items": [{}]}, "items.0.item_id", "required"),
        ({"internal_number": "n", "items": [{"item_id": "1", "quantity": 0}]}, "items.0.quantity", "greater"),
        ({"internal_number": "n", "items": [{"item_id": "1"}] * 1_001}, "items", "at most 1000"),
        (order("n", "1", "3"), "items.1.item_id", "Item '3' not found"),
        (order("n", "x"), "items.0.item_id", "Item 'x' not found"),
        (order("n", "9" * 19), "items.0.item_id", "not found"),
        (order("n", "9" * 5_000), "items.0.item_id", "not found"),
        (order("n", -1), "items.0.item_id", "not found"),
        ({"internal_number": "n", "items": [{"item_id": True}]}, "items.0.item_id", "string"),
    ],
)
async def test_what_is_wrong_with_an_order_is_said(api: Api, sent: dict[str, Any], field: str, said: str) -> None:
    """400 that names the field; nothing is stored, and nothing changes."""
    refused = await api.post(PATH, sent)
    assert refused.status == 400, refused.json
    assert said in refused.json["error"]
    assert refused.json["details"][0]["field"] == field
    assert (await api.get(PATH)).json == []
    made = (await api.post(PATH, order("kept", "1"))).json
    if sent:
        assert (await api.put(f"{PATH}/1", sent)).status == 400
    assert (await api.get(f"{PATH}/1")).json == made


async def test_a_number_is_given_once(api: Api) -> None:
    """Neither made nor changed to a second time; the order that tried keeps what it had."""
    await api.post(PATH, order("a", "1"))
    made = (await api.post(PATH, order("b", "2"))).json
    changed = await api.put(f"{PATH}/{made['id']}", order("a", "1"))
    for taken in (await api.post(PATH, order("a")), changed):
        assert (taken.status, taken.json["error"]) == (400, "Internal number already exists")
        assert taken.json["details"][0]["field"] == "internal_number"
    assert (await api.get(f"{PATH}/{made['id']}")).json == made
    assert (await api.put(f"{PATH}/{made['id']}", {"internal_number": "b"})).status == 200


async def test_of_two_at_once_one_gets_the_number(api: Api) -> None:
    """However many ask at the same moment; the others leave no line behind."""
    answers = await asyncio.gather(*(api.post(PATH, order("same", "1", "2")) for _ in range(8)))
    assert sorted(answer.status for answer in answers) == [201] + [400] * 7
    assert await api.rows("SELECT count(*) FROM order_lines") == [(2,)]


async def test_of_two_changes_at_once_the_lines_are_those_of_one(api: Api) -> None:
    """Never some of each, and never twice the same."""
    await api.post(PATH, order("a"))
    sent = [{"items": [{"item_id": "1", "quantity": number}] * number} for number in range(1, 7)]
    answers = await asyncio.gather(*(api.put(f"{PATH}/1", change) for change in sent))
    assert [answer.json["items"] for answer in answers] == [change["items"] for change in sent]
    assert (await api.get(f"{PATH}/1")).json["items"] in [change["items"] for change in sent]


async def test_an_item_in_an_order_stays(api: Api) -> None:
    """409 that says the mend; out of the order it can go."""
    await api.post(PATH, order("a", "1"))
    refused = await api.ask("DELETE", f"{ITEMS}/1")
    assert (refused.status, refused.json["code"]) == (409, "item_in_use")
    assert (await api.get(f"{ITEMS}/1")).status == 200
    assert (await api.ask("DELETE", f"{ITEMS}/2")).status == 204
    await api.put(f"{PATH}/1", {"items": []})
    assert (await api.ask("DELETE", f"{ITEMS}/1")).status == 204


@pytest.mark.parametrize("key", ["abc", "0", "-1", "9" * 19, "%00", "1%20or%201=1"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_an_id_that_names_nothing(api: Api, key: str, method: str) -> None:
    """404 `Order not found`, whatever it looks like."""
    await api.post(PATH, order("a"))
    answer = await api.ask(method, f"{PATH}/{key}", json={"status": "x"})
    assert (answer.status, answer.json["error"]) == (404, "Order not found")


async def test_an_order_belongs_to_its_owner(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """For another tenant it is not there, its items look unknown, and its number is free."""
    await api.post(PATH, order("a", "1"))
    await api.add_user(2)
    monkeypatch.setattr(auth, "identify", lambda: Caller(2, "user"))
    asked = [("GET", None), ("PUT", {"status": "x"}), ("DELETE", None)]
    for method, sent in asked:
        theirs, nobodys = [await api.ask(method, f"{PATH}/{key}", json=sent) for key in (1, 999)]
        assert told(theirs) == told(nobodys)
        assert theirs.status == 404
    assert told(await api.post(PATH, order("b", "1"))) == told(await api.post(PATH, order("b", "1")))
    foreign, unknown = await api.post(PATH, order("b", "1")), await api.post(PATH, order("b", "7"))
    assert told(foreign)["error"].replace("1", "7") == told(unknown)["error"]
    assert (await api.get(PATH)).json == []
    assert (await api.get(f"{PATH}?page=1")).json["total"] == 0
    assert (await api.post(PATH, order("a"))).status == 201
    assert await api.rows("SELECT status FROM orders WHERE user_id = 1") == [("pending",)]


def told(answer: Answer) -> dict[str, Any]:
    """Everything that a stranger can see, but for the id of the request."""
    return {**answer.json, "request_id": ""}


async def test_orders_by_owner(api: Api) -> None:
    """Below the routes every statement names the owner, also of the items."""
    await api.add_user(2)
    row = {"internal_number": "n", "status": "s", "user_id": 2, "created_ns": NOON_NS}
    with pytest.raises(UnknownItem):
        await add_order(api.engine, row, [Line(1, 1)])
    made = await add_order(api.engine, row, [])
    assert made is not None
    assert await get_order(api.engine, 1, made["id"]) is None
    assert await change_order(api.engine, 1, made["id"], {"status": "x"}, [Line(1, 1)]) is None
    assert await list_orders(api.engine, Filter(1)) == ([], 0)
    assert (await list_orders(api.engine, Filter(2)))[0] == [made]
