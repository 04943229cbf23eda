"""/api/v1/orders: list, add, read, change, delete."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from quart import Blueprint, Response
from quart_schema import document_querystring, document_request, document_response, tag

from services.api.auth import Caller, guarded
from services.api.encoding import reply
from services.api.errors import BadRequest, NotFound
from services.api.inputs import MAX_INT64, Query, body, query, row_id
from services.api.orders import queries
from services.api.orders.queries import Filter, NumberTaken, UnknownItem
from services.api.orders.schemas import NewLine, NewOrder, Order, OrderChange, Orders, OrdersQuery
from services.api.resources import resources
from shared.times import iso_ns

routes = Blueprint("orders", __name__, url_prefix="/api/v1/orders")

_WHAT: Final = "Order"


@routes.get("")
@guarded()
@tag(["orders"])
@document_querystring(OrdersQuery)
@document_response(Orders)
async def list_orders(caller: Caller) -> Response:
    """All orders of the caller with their lines, or a page of them."""
    asked = query(OrdersQuery)
    page, per_page, offset = asked.window()
    wanted = Filter(caller.user_id, asked.status or None, asked.internal_number, asked.q)
    rows, total = await queries.list_orders(resources().engine, wanted, per_page if asked.paged else None, offset)
    data = [_order(row) for row in rows]
    return reply({"data": data, "total": total, "page": page, "per_page": per_page} if asked.paged else data)


@routes.post("")
@guarded()
@tag(["orders"])
@document_request(NewOrder)
@document_response(Order, 201)
async def add_order(caller: Caller) -> Response:
    """Add an order with its lines: all of it, or nothing."""
    new = await body(NewOrder)
    row = {**new.model_dump(exclude={"items"}), "user_id": caller.user_id, "created_ns": time.time_ns()}
    try:
        made = await queries.add_order(resources().engine, row, _lines(new.items))
    except (NumberTaken, UnknownItem) as error:
        raise _refused(error, new.items) from error
    return reply(_found(made), 201)


@routes.get("/<order_id>")
@guarded()
@tag(["orders"])
@document_querystring(Query)
@document_response(Order)
async def get_order(caller: Caller, order_id: str) -> Response:
    """One order with its lines."""
    query(Query)
    return reply(_found(await queries.get_order(resources().engine, caller.user_id, row_id(order_id, _WHAT))))


@routes.put("/<order_id>")
@guarded()
@tag(["orders"])
@document_request(OrderChange)
@document_response(Order)
async def change_order(caller: Caller, order_id: str) -> Response:
    """Change what is given, keep the rest; `items` replaces all lines."""
    key = row_id(order_id, _WHAT)
    change = await body(OrderChange)
    changes = {**change.model_dump(exclude={"items"}, exclude_unset=True), "updated_ns": time.time_ns()}
    lines = _lines(change.items) if "items" in change.model_fields_set else None
    try:
        return reply(_found(await queries.change_order(resources().engine, caller.user_id, key, changes, lines)))
    except (NumberTaken, UnknownItem) as error:
        raise _refused(error, change.items) from error


@routes.delete("/<order_id>")
@guarded()
@tag(["orders"])
async def delete_order(caller: Caller, order_id: str) -> Response:
    """Delete an order with its lines; the items stay."""
    if not await queries.delete_order(resources().engine, caller.user_id, row_id(order_id, _WHAT)):
        raise _missing()
    return Response(b"", status=204)


def _lines(lines: Sequence[NewLine]) -> list[queries.Line]:
    return [queries.Line(_item_key(line.item_id), line.quantity) for line in lines]


def _item_key(text: str) -> int:
    # what is no number names nothing, as 0 does
    digits = text.isascii() and text.isdigit() and len(text) <= 19
    return int(text) if digits and int(text) <= MAX_INT64 else 0


def _refused(error: NumberTaken | UnknownItem, lines: Sequence[NewLine]) -> BadRequest:
    if isinstance(error, UnknownItem):
        message = f"Item {lines[error.position].item_id[:64]!r} not found"
        return BadRequest(message, "item_not_found", field=f"items.{error.position}.item_id")
    return BadRequest("Internal number already exists", "order_exists", field="internal_number")


def _found(row: Mapping[str, Any] | None) -> dict[str, Any]:
    if row is None:
        raise _missing()
    return _order(row)


def _missing() -> NotFound:
    return NotFound("Order not found", "order_not_found")


def _order(row: Mapping[str, Any]) -> dict[str, Any]:
    updated_ns = row["updated_ns"]
    return {
        "id": str(row["id"]),
        "internal_number": row["internal_number"],
        "status": row["status"],
        "items": [{**line, "item_id": str(line["item_id"])} for line in row["items"]],
        "created_at": iso_ns(row["created_ns"]),
        "updated_at": iso_ns(updated_ns) if updated_ns is not None else None,
    }
