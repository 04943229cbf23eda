"""Readings of one device: what may be asked, and what comes back."""

from typing import Final, Literal

from pydantic import BaseModel, Field, field_validator

from services.api.inputs import CommaList, Query
from services.api.moments import Epoch, Moment
from shared.readings import Value
from shared.times import MAX_NS, MIN_NS

MAX_LIMIT: Final = 10_000
MAX_DEVICES: Final = 1_000


class ReadingsQuery(Query):
    """A range of one device's readings, as they were sent."""

    start: Moment = Field(MIN_NS, description="From here, inclusive. Default: the oldest.", validate_default=False)
    end: Moment = Field(MAX_NS, description="Up to here, exclusive. Default: the newest.", validate_default=False)
    metrics: CommaList | None = Field(None, description="Only these, comma-separated. Default: all.")
    limit: int = Field(1_000, ge=1, le=MAX_LIMIT, description="How many readings on a page.")
    cursor: str | None = Field(None, max_length=512, description="Of the page before; the rest of the query as it was.")
    order: Literal["asc", "desc"] = Field("asc", description="`asc`: oldest first; `desc`: newest first.")
    epoch: Epoch | None = Field(None, description="Timestamps as integers in this unit, rounded down.")


class LatestQuery(Query):
    """The newest values of many devices."""

    devices: str = Field("*", description="Ids, comma-separated, at most 1,000; `*`: all.", examples=["d1,d2", "*"])
    metrics: CommaList | None = Field(None, description="Only these, comma-separated. Default: all.")
    epoch: Epoch | None = Field(None, description="Timestamps as integers in this unit, rounded down.")

    @field_validator("devices")
    @classmethod
    def _some(cls, devices: str) -> str:
        if "\x00" in devices or not 1 <= len(devices.split(",")) <= MAX_DEVICES:
            raise ValueError(f"is * for all, or 1 to {MAX_DEVICES} device ids, comma-separated")
        return devices

    @property
    def wanted(self) -> list[str] | None:
        """None: all."""
        return None if self.devices == "*" else [part.strip() for part in self.devices.split(",")]


class ReadingOut(BaseModel):
    device_id: str
    timestamp: str | int = Field(description="ISO 8601 UTC with 9 fraction digits, or an integer with `epoch`.")
    measurement: str
    values: dict[str, Value]


class Latest(BaseModel):
    """A device that has sent nothing yet is in neither list. `unknown`: devices that are not there for you."""

    data: list[ReadingOut]
    unknown: list[str]


class ReadingsPage(BaseModel):
    """`cursor` leads to the next page; null on the last one."""

    data: list[ReadingOut]
    cursor: str | None
