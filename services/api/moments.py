"""Moments in a question and in an answer: how they may be written, and how they are told. Pure but for the clock."""

import re
import time
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, WithJsonSchema

from shared.times import iso_ns, parse_time_ns

Epoch = Literal["ns", "us", "ms", "s"]
Teller = Callable[[int], str | int]

_NS_PER: Final[dict[Epoch, int]] = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
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


def teller(epoch: Epoch | None) -> Teller:
    """How a moment is told: ISO 8601, or an integer in this unit, rounded down."""
    return iso_ns if epoch is None else (lambda ns: ns // _NS_PER[epoch])
