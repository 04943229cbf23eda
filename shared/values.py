"""One value of a payload, judged: what is kept of it as float, bool or str, or the code why nothing is. Pure."""

import math
from functools import lru_cache
from typing import Any, Final, NamedTuple, cast

from shared.identifiers import MAX_METRIC_NAME, RESERVED_METRICS, RESERVED_SUFFIXES, is_metric_name
from shared.profiles import Metric
from shared.readings import Value
from shared.strictjson import MAX_INTEGER, Unfit

MAX_STRING: Final = 1024
# orjson reads integers beyond 64 bits as floats: above this the message is decoded again by the careful way
_CAREFUL_ABOVE: Final = float(2**63)


class Flaw(NamedTuple):
    """Why something was refused: where in the payload, by which code, and what a person may want to read."""

    path: str
    code: str
    detail: str = ""


class NeedsCare(Exception):
    """A number was met that only the careful decoder can tell right from wrong."""


NESTED: Final = Flaw("", "nested")
_WRONG_TYPE: Final = Flaw("", "wrong_type")
_TOO_LARGE: Final = Flaw("", "number_too_large")
_OUT_OF_RANGE: Final = Flaw("", "out_of_range")
_NOT_FINITE: Final = Flaw("", "not_finite")


def keep(value: Any, metric: Metric | None, *, careful: bool) -> Value | Flaw:
    """Bring a value to float, bool or str, or say why not; without a metric any type is taken.

    Raises NeedsCare for a number beyond 64 bits that was not decoded by the careful way.
    """
    kind, given = metric.type if metric is not None else None, type(value)
    if given is float or given is int:  # most of all that comes in; a bool is neither
        return _number(value, metric, careful=careful) if kind in (None, "number") else _WRONG_TYPE
    if given is bool:
        return cast("bool", value) if kind in (None, "boolean") else _WRONG_TYPE
    if given is str:
        return _string(value) if kind in (None, "string") else _WRONG_TYPE
    return Flaw("", value.code) if isinstance(value, Unfit) else NESTED


def _number(value: float, metric: Metric | None, *, careful: bool) -> float | Flaw:
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            return _TOO_LARGE
        value = float(value)
    elif not -_CAREFUL_ABOVE < value < _CAREFUL_ABOVE:
        if not careful:
            raise NeedsCare
        if not math.isfinite(value):  # two finite SenML numbers may have been added up to it
            return _NOT_FINITE
    if metric is not None and metric.bounded:
        low, high = metric.range
        return value if low <= value <= high else _OUT_OF_RANGE
    return value


def _string(value: str) -> str | Flaw:
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        return Flaw("", "not_utf8")
    if size > MAX_STRING:
        return Flaw("", "string_too_long")
    return _WRONG_TYPE if "\x00" in value else value  # PostgreSQL can't hold a NUL


def name_flaw(name: str) -> str | None:
    """The code for a metric name that can't be kept; None for a good one."""
    return _name_flaw(name) if len(name) <= MAX_METRIC_NAME else "bad_metric_name"  # what is remembered must be small


@lru_cache(maxsize=8192)
def _name_flaw(name: str) -> str | None:
    if not is_metric_name(name) or name in RESERVED_METRICS or name.endswith(RESERVED_SUFFIXES):
        return "bad_metric_name"
    return None


def shown(name: str) -> str:
    """A name that anybody may have sent, so that every database and encoder can hold it."""
    return name[:128].encode("utf-8", "replace").decode().replace("\x00", "?")
