"""Where in its message a sample stood: told by the paths of what was refused, so that every judgement finds it again.

A sample without a time of its own gets that of the receipt plus its place. Driven again, it is the same point.
"""

import re
from collections.abc import Iterable
from itertools import count, repeat
from typing import Final

from shared.payloads import Verdict

_PLACE: Final = re.compile(r"\[(\d{1,4})\]")


def place_of(path: str) -> int | None:
    """3 for `[3].temperature`; None where the path names no place: one sample, or a pack of SenML."""
    found = _PLACE.match(path)
    return int(found[1]) if found else None


def places(verdict: Verdict) -> Iterable[int]:
    """The place of each accepted sample; at least as many as there are."""
    if not verdict.refused:
        return range(len(verdict.accepted))
    taken = {place_of(flaw.path) for flaw in verdict.refused}
    if None in taken:
        return repeat(0)  # SenML: what has one time is one sample, so at most one has none
    return (place for place in count() if place not in taken)
