"""A value as the cell of a table, and back, exactly. Pure.

A table has no types: what reads as a number is one, `true` and `false` are booleans, the rest is text. Text that would
be taken for something else, by us or by a spreadsheet (`=SUM(…)`, formula injection), gets an apostrophe in front, and
loses it on the way back.
"""

import math
import re
from typing import Final

import orjson

from shared.readings import Value

# a spreadsheet may run what begins with one of these; the last one is our own mark of what it must not
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
_BOOLEANS: Final = ("true", "false")
# each digit can be read in one way only: with two, a long row of them would be tried in every combination
_NUMBER: Final = re.compile(
    r"[+-]?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?|nan|inf(?:inity)?)", re.ASCII | re.IGNORECASE
)
_JSON_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)


def cell_of(value: Value) -> str | float:
    """Numbers as they are: whoever writes the table writes them shortest."""
    if isinstance(value, float):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"'{value}" if _misleading(value) else value


def _misleading(text: str) -> bool:
    if not text or text.startswith(FORMULA):
        return True
    word = text.strip()
    return word.lower() in _BOOLEANS or _NUMBER.fullmatch(word) is not None


def json_of(cell: str) -> bytes | None:
    """The cell as JSON, for the judge, who sees each digit of a number; None for an empty one."""
    if not cell:
        return None
    if cell.startswith("'"):
        return orjson.dumps(cell[1:])
    word = cell.strip()
    if _JSON_NUMBER.fullmatch(word):
        return word.encode()
    if word.lower() in _BOOLEANS:
        return word.lower().encode()
    return _number(float(word)) if _NUMBER.fullmatch(word) else orjson.dumps(cell)


def _number(value: float) -> bytes:
    """What people and spreadsheets write otherwise than JSON: `+5`, `.5`, `007`, `NaN`."""
    if math.isfinite(value):
        return repr(value).encode()
    return b"NaN" if math.isnan(value) else b"Infinity" if value > 0 else b"-Infinity"
