"""/api/v1/items: list, add, read, change, delete."""

import time
from collections.abc import Mapping
from typing import Any, Final

from quart import Blueprint, Response
from quart_schema import document_querystring, document_request, document_response, tag

from services.api.auth import Caller, guarded
from services.api.encoding import reply
from services.api.errors import Conflict, NotFound
from services.api.inputs import Query, body, query, row_id
from services.api.items import queries
from services.api.items.schemas import Item, ItemChange, Items, ItemsQuery, NewItem
from services.api.resources import resources
from shared.times import iso_ns

routes = Blueprint("items", __name__, url_prefix="/api/v1/items")

_WHAT: Final = "Item"


@routes.get("")
@guarded()
@tag(["items"])
@document_querystring(ItemsQuery)
@document_response(Items)
async def list_items(caller: Caller) -> Response:
    """All items of the caller, or a page of them."""
    asked = query(ItemsQuery)
    page, per_page, offset = asked.window()
    limit = per_page if asked.paged else None
    rows, total = await queries.list_items(resources().engine, caller.user_id, asked.status or None, limit, offset)
    data = [_item(row) for row in rows]
    return reply({"data": data, "total": total, "page": page, "per_page": per_page} if asked.paged else data)


@routes.post("")
@guarded()
@tag(["items"])
@document_request(NewItem)
@document_response(Item, 201)
async def add_item(caller: Caller) -> Response:
    """Add an item."""
    new = await body(NewItem)
    row = {**new.model_dump(), "user_id": caller.user_id, "created_ns": time.time_ns()}
    return reply(_item(await queries.add_item(resources().engine, row)), 201)


@routes.get("/<item_id>")
@guarded()
@tag(["items"])
@document_querystring(Query)
@document_response(Item)
async def get_item(caller: Caller, item_id: str) -> Response:
    """One item."""
    query(Query)
    return reply(_found(await queries.get_item(resources().engine, caller.user_id, row_id(item_id, _WHAT))))


@routes.put("/<item_id>")
@guarded()
@tag(["items"])
@document_request(ItemChange)
@document_response(Item)
async def change_item(caller: Caller, item_id: str) -> Response:
    """Change what is given, keep the rest."""
    key = row_id(item_id, _WHAT)
    change = await body(ItemChange)
    changes = {**change.model_dump(exclude_unset=True), "updated_ns": time.time_ns()}
    return reply(_found(await queries.change_item(resources().engine, caller.user_id, key, changes)))


@routes.delete("/<item_id>")
@guarded()
@tag(["items"])
async def delete_item(caller: Caller, item_id: str) -> Response:
    """Delete an item; one that an order names stays (409)."""
    try:
        deleted = await queries.delete_item(resources().engine, caller.user_id, row_id(item_id, _WHAT))
    except queries.InUse as error:
        raise Conflict("An order uses this item: take it out of the order first", "item_in_use") from error
    if not deleted:
        raise NotFound("Item not found", "item_not_found")
    return Response(b"", status=204)


def _found(row: Mapping[str, Any] | None) -> dict[str, Any]:
    if row is None:
        raise NotFound("Item not found", "item_not_found")
    return _item(row)


def _item(row: Mapping[str, Any]) -> dict[str, Any]:
    updated_ns = row["updated_ns"]
    return {
        "id": str(row["id"]),
        **{name: row[name] for name in ("name", "description", "status", "quantity")},
        "created_at": iso_ns(row["created_ns"]),
        "updated_at": iso_ns(updated_ns) if updated_ns is not None else None,
    }
