"""Moments as int64 nanoseconds since 1970 UTC: from what people and devices write, and back to ISO 8601. Pure."""

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from math import isfinite
from typing import Final

MIN_NS: Final = -(2**63)
MAX_NS: Final = 2**63 - 1

_NS_PER_S: Final = 1_000_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST_NS: Final = _NS_PER_S * _NS_PER_S  # 2001-09-09: a smaller number is a device's uptime, not a date
_NS_PER_UNIT: Final = {"s": _NS_PER_S, "m": 60 * _NS_PER_S, "h": 3600 * _NS_PER_S, "d": 86_400 * _NS_PER_S}
_SECONDS: Final = [f"{second:02}." for second in range(60)]
# (numbers smaller than this, nanoseconds in one of them): seconds, milliseconds, microseconds, nanoseconds
_MAGNITUDES: Final = ((10**11, _NS_PER_S), (10**14, 1_000_000), (10**17, 1_000), (MAX_NS + 1, 1))

_ISO: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)?"
    r"(?:[Zz]|([+-])([0-9]{2}):?([0-5][0-9])?)"
)
_RELATIVE: Final = re.compile(r"-([0-9]{1,12})([smhd])")
_INTEGER: Final = re.compile(r"-?[0-9]{1,19}")


def iso_ns(ns: int) -> str:
    """`2026-01-01T00:00:00.123000000Z`: always 9 fraction digits, so that texts sort as times do."""
    seconds, rest = divmod(ns, _NS_PER_S)
    minute, second = divmod(seconds, 60)
    return f"{_minute(minute)}{_SECONDS[second]}{rest:09}Z"


# what is told together lies close together: asking datetime for each reading would take three times as long
@lru_cache(maxsize=4096)
def _minute(minute: int) -> str:
    return (_EPOCH + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:")


def parse_iso_ns(text: str) -> int:
    """ISO 8601 with a zone and up to 9 fraction digits, exactly; raises ValueError."""
    found = _ISO.fullmatch(text)
    if found is None:
        raise ValueError("not an ISO 8601 time with a zone, like 2026-01-01T00:00:00.5Z")
    year, month, day, hour, minute, second, fraction, sign, zone_hours, zone_minutes = found.groups()
    offset = timedelta(hours=int(zone_hours or 0), minutes=int(zone_minutes or 0))
    zone = timezone(-offset if sign == "-" else offset)
    moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0), tzinfo=zone)
    since = moment - _EPOCH
    # integers all the way: a float of seconds would be off by up to 200 ns
    whole = (since.days * 86_400 + since.seconds) * _NS_PER_S
    return _in_range(whole + int((fraction or "").ljust(9, "0")))


def number_ns(value: float) -> int:
    """A number by its magnitude: seconds below 1e11, then ms, µs, ns. Floats are rounded to µs.

    Raises ValueError for what is no time: booleans, NaN, infinities, and anything before 1e9 seconds.
    """
    if isinstance(value, bool) or (isinstance(value, float) and not isfinite(value)):
        raise ValueError("not a time")
    size = abs(value)
    for limit, scale in _MAGNITUDES:
        if size < limit:
            ns = value * scale if isinstance(value, int) else _float_ns(value, scale)
            if ns < EARLIEST_NS:
                raise ValueError("before 2001-09-09: not a time since 1970")
            return _in_range(ns)
    raise ValueError("beyond 64 bits of nanoseconds")


def _float_ns(value: float, scale: int) -> int:
    # one multiplication or division, then integers: scaling to ns in floats would invent digits
    return round(value * (scale // 1_000)) * 1_000 if scale >= 1_000 else round(value / 1_000) * 1_000


def parse_relative_ns(text: str, now_ns: int) -> int:
    """`now`, or so long before it: `-90s`, `-15m`, `-6h`, `-7d`; raises ValueError."""
    if text == "now":
        return now_ns
    found = _RELATIVE.fullmatch(text)
    if found is None:
        raise ValueError("not a relative time, like -15m, -6h, -7d or now")
    return _in_range(now_ns - int(found[1]) * _NS_PER_UNIT[found[2]])


def parse_time_ns(text: str, now_ns: int) -> int:
    """What a query may write for a time: ISO 8601 with a zone, an integer, or a relative time; raises ValueError."""
    if _INTEGER.fullmatch(text):
        return number_ns(int(text))
    if text == "now" or text.startswith("-"):
        return parse_relative_ns(text, now_ns)
    return parse_iso_ns(text)


def _in_range(ns: int) -> int:
    if not MIN_NS <= ns <= MAX_NS:
        raise ValueError("beyond 64 bits of nanoseconds: years 1678 to 2262")
    return ns
