"""Devices: what may be sent and asked, and what is told."""

from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, Field, RootModel, model_validator

from services.api.compat.schemas import ListedDevice, NamedDevice
from services.api.inputs import MAX_PER_PAGE, CommaList, Int64, Page, Text
from shared.identifiers import ProfileName
from shared.presence import Presence

Owner = Annotated[Int64, Field(ge=1)]
Key = Literal["id", "device_id", "name", "profile", "status", "last_seen", "created_at"]
Sort = Literal[
    "id", "device_id", "name", "profile", "status", "last_seen", "created_at",
    "-id", "-device_id", "-name", "-profile", "-status", "-last_seen", "-created_at",
]  # fmt: skip

BY_ID: Final = ("id", "-id")


class DevicesQuery(Page):
    """A bare array; with `page` or `per_page` one page of it; with `limit` or `cursor` one step through all."""

    q: Text | None = Field(None, max_length=255, description="Only devices with this in their id or name.")
    status: Presence | None = Field(None, description="Only those that are online, or offline, now.")
    profile: CommaList | None = Field(None, description="Only of these profiles, comma-separated.")
    claimed: bool | None = Field(None, description="`false`: only those that registered themselves.")
    disabled: bool | None = None
    user_id: Owner | None = Field(None, description="Only of this owner (for administrators).")
    sort: Sort = Field("id", description="`-` before it: descending. Devices without the value come last.")
    limit: int | None = Field(None, ge=1, le=MAX_PER_PAGE, description="How many in one step.")
    cursor: Text | None = Field(None, max_length=200, description="Of the step before.")

    @property
    def stepwise(self) -> bool:
        return self.limit is not None or self.cursor is not None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.stepwise and self.paged:
            raise ValueError("give either page and per_page, or limit and cursor")
        if self.stepwise and self.sort not in BY_ID:
            raise ValueError("with limit and cursor devices come by id: leave sort out, or ask for pages")
        return self


class NewDevice(NamedDevice):
    disabled: bool = Field(default=False, description="What a disabled device sends is refused.")
    user_id: Owner | None = Field(None, description="Whose it is (for administrators); the caller's by default.")


class DeviceChange(BaseModel):
    """Only what is given changes."""

    name: Text = Field("", min_length=1, max_length=255)
    profile: ProfileName = Field("", description="What it sends from now on is judged by it; older readings stay.")
    disabled: bool = False
    user_id: Owner = Field(
        0, description="Gives it to somebody else (for administrators): credentials end, older readings stay."
    )


class Claim(BaseModel):
    """The body may be left out."""

    name: Text = Field("", min_length=1, max_length=255)
    profile: ProfileName = ""


class Device(ListedDevice):
    disabled: bool
    user_id: int = Field(description="Whose it is.")
    created_at: str


class DevicesPage(BaseModel):
    data: list[Device]
    total: int
    page: int
    per_page: int


class DevicesStep(BaseModel):
    data: list[Device]
    cursor: str | None = Field(description="Ask again with it; null at the end.")


class Devices(RootModel[list[Device] | DevicesPage | DevicesStep]):
    """An array, or a part of it if one was asked for."""
