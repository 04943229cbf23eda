"""What is told on `telemetrio/registry` when the relational database has changed: api → ingest, realtime. Pure."""

from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["device", "profile", "user", "key", "any"]


class Change(BaseModel):
    """`id`: a device's `device_id`, a profile's name, the number of a user or key; nothing for `any`.

    It is a hint: who hears it asks the database, and whoever does not know a kind asks all the same.
    """

    model_config = ConfigDict(frozen=True)

    v: Literal[1] = 1
    kind: Kind = "any"
    id: str | int | None = Field(None, description="Which one. Nothing: perhaps several.")


ANY = Change()


class Changed(Protocol):
    """Says so to whoever keeps a copy; never waits."""

    def __call__(self, change: Change = ANY, /) -> None: ...
