"""The summary for phones: what may be asked, and what is told."""

from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field

from services.api.inputs import CommaList, Query
from services.api.zones import Zone
from shared.readings import Value


class SummaryQuery(Query):
    """Always a page: a phone shows a few devices at a time."""

    timezone: Zone = Field(ZoneInfo("UTC"), description="Whose today: an IANA name. Default: UTC.")
    devices: CommaList | None = Field(None, description="Only these, comma-separated. Default: all.")
    page: int = Field(1, ge=1, le=10**9, description="Which page, from 1.")
    per_page: int = Field(20, ge=1, le=100, description="How many devices on a page.")


class MetricToday(BaseModel):
    """Six significant digits. Without readings today `last` and `count` alone, for a word or state `last` alone."""

    last: Value | None = Field(description="The newest value, from whenever it is.")
    min: float | None = None
    mean: float | None = None
    max: float | None = None
    count: int | None = Field(None, description="Readings today.")


class DeviceToday(BaseModel):
    device_id: str
    name: str
    status: Literal["online", "offline"]
    last_seen: str | None
    active_minutes: int = Field(description="Minutes of today in which it measured anything.")
    metrics: dict[str, MetricToday]
    repetitions: int | None = Field(None, description="Of a knee: today's.")


class Summary(BaseModel):
    date: str = Field(description="Today, in that time zone.", examples=["2026-01-01"])
    devices: list[DeviceToday]
    total: int = Field(description="How many devices there are on all pages.")
