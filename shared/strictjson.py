"""JSON of devices: quick where it is sound, and where it isn't, decoded so that only the unsound numbers are lost.

orjson refuses a whole message for one NaN or 1e999; here such a number becomes an `Unfit` in its place, so that the
message's other metrics can be kept.
"""

import json
import re
from typing import Any, Final, NamedTuple

import orjson

MAX_DEPTH: Final = 8
MAX_INTEGER: Final = 2**53  # beyond it a float can't tell neighbours apart
# as many as 64 bits have: times in nanoseconds are integers beyond MAX_INTEGER, and sound
_MAX_DIGITS: Final = 20

# a string (skipped as a whole, whatever brackets it holds) or one bracket. A string without an end goes to the end of
# the message, possessively: looked for again from each of its quotes it would take seconds
_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


class Unfit(NamedTuple):
    """A number that can't be kept, in the place where it stood."""

    code: str
    text: str


class NotDecodable(Exception):
    """The message as a whole can't be read; `code` says why."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def decode(payload: bytes) -> Any:
    """Any JSON value; raises NotDecodable (`not_utf8`, `too_deep`, `not_json`)."""
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError:
        return decode_marking(payload)


def decode_marking(payload: bytes) -> Any:
    """The slow way: numbers that can't be kept come out as Unfit."""
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotDecodable("not_utf8", f"byte {error.start} is not UTF-8") from error
    refuse_deep(payload)  # before json, which recurses
    try:
        return json.loads(text, parse_constant=_constant, parse_int=_integer, parse_float=_float)
    except json.JSONDecodeError as error:
        raise NotDecodable("not_json", f"{error.msg} at character {error.pos}") from error


def refuse_deep(payload: bytes) -> None:
    """Raise NotDecodable(`too_deep`) where brackets nest deeper than MAX_DEPTH; strings don't count."""
    depth = 0
    for token in _TOKEN.finditer(payload):
        match payload[token.start()]:
            case 0x5B | 0x7B:
                depth += 1
                if depth > MAX_DEPTH:
                    raise NotDecodable("too_deep", f"nested deeper than {MAX_DEPTH} levels")
            case 0x5D | 0x7D:
                depth -= 1


def _constant(text: str) -> Unfit:
    return Unfit("not_finite", text)


def _integer(text: str) -> int | Unfit:
    # the length first: int() of thousands of digits costs quadratic time
    return Unfit("number_too_large", text[:32]) if len(text) > _MAX_DIGITS else int(text)


def _float(text: str) -> float | Unfit:
    value = float(text)
    return value if abs(value) != float("inf") else Unfit("not_finite", text[:32])
