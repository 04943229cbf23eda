"""Time zones in a query, and what a day is in one of them. Pure but for the time-zone database."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, WithJsonSchema

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NS_PER_S: Final = 1_000_000_000


def _zone(name: Any) -> Any:
    if not isinstance(name, str):
        return name
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # a folder of zones, like America, is an OSError
        raise ValueError("not an IANA time zone, like Europe/Berlin or UTC") from error


Zone = Annotated[
    ZoneInfo, BeforeValidator(_zone), WithJsonSchema({"type": "string", "examples": ["Europe/Berlin", "UTC"]})
]


def local(ns: int, zone: ZoneInfo) -> datetime:
    """What clocks there show, to the second."""
    return (_EPOCH + timedelta(seconds=ns // _NS_PER_S)).astimezone(zone)


def midnight_ns(day: date, zone: ZoneInfo) -> int:
    """When that day begins there. Where clocks skip midnight, it is the moment at which they do."""
    begins = datetime(day.year, day.month, day.day, tzinfo=zone) - _EPOCH
    return (begins.days * 86_400 + begins.seconds) * _NS_PER_S


def day_of(ns: int, zone: ZoneInfo) -> tuple[date, int, int]:
    """The day there, and its first and last nanosecond (exclusive): 23, 24 or 25 hours."""
    day = local(ns, zone).date()
    return day, midnight_ns(day, zone), midnight_ns(day + timedelta(days=1), zone)
