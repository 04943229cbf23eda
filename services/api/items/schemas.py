"""Items: what may be sent and asked, and what is told."""

from typing import Literal

from pydantic import BaseModel, Field, RootModel

from services.api.inputs import Int64, Page, Text

Status = Literal["pending", "active", "completed"]


class NewItem(BaseModel):
    name: Text = Field(min_length=1, max_length=255, examples=["Test Item"])
    description: Text = Field("", max_length=65_536)
    status: Status = "pending"
    quantity: Int64 = 0


class ItemChange(BaseModel):
    """Only what is given changes."""

    name: Text = Field("", min_length=1, max_length=255)
    description: Text = Field("", max_length=65_536)
    status: Status = "pending"
    quantity: Int64 = 0


class ItemsQuery(Page):
    """A bare array; with `page` or `per_page` one page in an envelope."""

    status: Literal["pending", "active", "completed", ""] | None = Field(
        None, description="Only items with this status; empty: with any."
    )


class Item(BaseModel):
    id: str
    name: str
    description: str
    status: Status
    quantity: int
    created_at: str
    updated_at: str | None


class ItemsPage(BaseModel):
    data: list[Item]
    total: int
    page: int
    per_page: int


class Items(RootModel[list[Item] | ItemsPage]):
    """An array, or one page of it if `page` or `per_page` was asked."""
