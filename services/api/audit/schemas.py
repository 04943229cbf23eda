"""The audit log: what may be asked, and what is told."""

from typing import Literal

from pydantic import BaseModel, Field

from services.api.inputs import Int64, Page, Text


class AuditQuery(Page):
    """Always a page."""

    user_id: Int64 | None = Field(None, description="Only what this user did.")
    event: Text | None = Field(None, max_length=64, description="Only these, like `login`.", examples=["login"])
    outcome: Literal["ok", "refused"] | None = None


class AuditEvent(BaseModel):
    id: int
    time: str
    user_id: int | None = Field(description="Who did it; null: nobody had logged in.")
    event: str = Field(examples=["login", "password_changed", "key_revoked"])
    subject: str = Field(description="To whom, or to what.")
    address: str = Field(description="From where; behind proxies see TELEMETRIO_TRUSTED_HOPS.")
    outcome: Literal["ok", "refused"]


class AuditPage(BaseModel):
    data: list[AuditEvent]
    total: int
    page: int
    per_page: int
