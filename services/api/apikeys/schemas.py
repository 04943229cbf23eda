"""API keys: what may be sent, and what is told."""

from typing import Annotated

from pydantic import BaseModel, Field, RootModel

from services.api.caller import Scope
from services.api.inputs import Text


class NewKey(BaseModel):
    name: Text = Field(min_length=1, max_length=255, description="What it is for.", examples=["grafana"])
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=4)] = Field(
        description="`read`: GET and questions (`/readings/query`); `write`: everything that changes something; "
        "`live`: tickets for live streams; "
        "`admin`: with the rights of an administrator, if its user is one. Each only with the others that it needs.",
        examples=[["read"]],
    )
    expires_in_days: float | None = Field(None, gt=0, le=3_650, description="Left out: until it is revoked.")


class Key(BaseModel):
    id: str
    user_id: int
    name: str
    hint: str = Field(description="How it begins.")
    scopes: list[Scope]
    created_at: str
    expires_at: str | None
    last_used_at: str | None = Field(description="To the minute.")
    revoked_at: str | None


class MadeKey(Key):
    key: str = Field(description="The key itself: it is shown this once.")


class Keys(RootModel[list[Key]]):
    """The caller's keys; an administrator sees everybody's."""
