"""What happens to whom and when: seeded, so that a run can be had again."""

import random
from collections.abc import Iterator
from typing import Final, NamedTuple

# how often each is drawn, and for how long it lasts: from, to, in seconds
FAULTS: Final = {
    "ingest killed": (4, 0.0, 2.0),
    "ingest stopped": (2, 0.0, 2.0),
    "store killed": (3, 0.5, 8.0),
    "store resets connections": (2, 1.0, 8.0),
    "store swallows": (2, 1.0, 8.0),
    "store answers 503": (2, 1.0, 8.0),
    "store answers 429": (1, 1.0, 8.0),
    "store loses its answers": (2, 1.0, 6.0),
    "broker restarted": (2, 0.5, 5.0),
    "database stopped": (2, 1.0, 8.0),
    "realtime killed": (3, 0.0, 3.0),
    "api killed": (2, 0.0, 3.0),
}


class Event(NamedTuple):
    """`at_s` after the beginning it breaks, and `for_s` later it is mended."""

    at_s: float
    fault: str
    for_s: float


def schedule(seed: int, seconds: float, every_s: float = 20.0) -> Iterator[Event]:
    """One at a time, about `every_s` apart, the last one early enough for everybody to get well."""
    dice = random.Random(seed)
    at_s = every_s / 2
    while at_s < seconds - every_s:
        (fault,) = dice.choices(list(FAULTS), [weight for weight, _, _ in FAULTS.values()])
        _, shortest, longest = FAULTS[fault]
        event = Event(at_s, fault, dice.uniform(shortest, longest))
        yield event
        at_s += event.for_s + dice.uniform(0.5, 1.5) * (every_s - (shortest + longest) / 2)
