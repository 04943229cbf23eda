"""Sessions: what is told."""

from pydantic import BaseModel, Field, RootModel


class OwnSession(BaseModel):
    id: str
    created_at: str = Field(description="When somebody logged in.")
    last_used_at: str = Field(description="When its tokens were renewed last.")
    expires_at: str
    current: bool = Field(description="Whether this request belongs to it.")


class OwnSessions(RootModel[list[OwnSession]]):
    """The caller's sessions, the one that was renewed last first."""
