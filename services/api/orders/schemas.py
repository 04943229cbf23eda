"""Orders: what may be sent and asked, and what is told."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, RootModel, WithJsonSchema

from services.api.inputs import Int64, Page, Text

MAX_LINES = 1_000


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


ItemId = Annotated[str, BeforeValidator(_as_text), WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "integer"}]})]


class NewLine(BaseModel):
    """So many of an item."""

    item_id: ItemId = Field(description="One of your items.", examples=["1"])
    quantity: Annotated[Int64, Field(ge=1)] = 1


class NewOrder(BaseModel):
    internal_number: Text = Field(min_length=1, max_length=50, description="No two of your orders share it.")
    status: Text = Field("pending", min_length=1, max_length=50, description="A word of your own.")
    items: list[NewLine] = Field([], max_length=MAX_LINES)


class OrderChange(BaseModel):
    """Only what is given changes; `items` replaces all lines."""

    internal_number: Text = Field("", min_length=1, max_length=50)
    status: Text = Field("", min_length=1, max_length=50)
    items: list[NewLine] = Field([], max_length=MAX_LINES)


class OrdersQuery(Page):
    """A bare array; with `page` or `per_page` one page in an envelope."""

    status: Text | None = Field(None, description="Only orders with this status; empty: with any.")
    internal_number: Text | None = Field(None, description="Only the order with this number.")
    q: Text | None = Field(None, max_length=50, description="Only orders whose number contains this, in any case.")


class Line(BaseModel):
    item_id: str
    quantity: int


class Order(BaseModel):
    id: str
    internal_number: str
    status: str
    items: list[Line]
    created_at: str
    updated_at: str | None


class OrdersPage(BaseModel):
    data: list[Order]
    total: int
    page: int
    per_page: int


class Orders(RootModel[list[Order] | OrdersPage]):
    """An array, or one page of it if `page` or `per_page` was asked."""
