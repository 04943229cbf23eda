"""Readings of one device: what may be asked, and what comes back."""

import re
import time
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema, field_validator

from services.api.inputs import CommaList, Query
from shared.readings import Value
from shared.times import MAX_NS, MIN_NS, parse_time_ns

Epoch = Literal["ns", "us", "ms", "s"]
MAX_LIMIT: Final = 10_000
MAX_DEVICES: Final = 1_000

# an unquoted + of a zone arrives as a blank: `…T00:00:00 02:00` can mean nothing else
_BLANK_ZONE: Final = re.compile(r" (?=[0-9]{2}:?[0-9]{2}\Z)")


def _moment(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value == "0":
        return 0  # "from the beginning", as everybody writes it
    text = _BLANK_ZONE.sub("+", value) if "T" in value else value
    return parse_time_ns(text, time.time_ns())


Moment = Annotated[
    int,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "examples": ["-15m", "2026-01-01T00:00:00Z", "1767225600", "now"]}),
]


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
