"""How often somebody may ask: a token bucket for each key. Pure.

Each process counts for itself, so two replicas let twice as much through. A bucket is one number (GCRA): the moment at
which it will be full again.
"""

import math
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

MOST_KEYS: Final = 10_000
RECENT_S: Final = 300.0
FIRST_DELAY_S: Final = 0.25
LONGEST_DELAY_S: Final = 8.0


class RateLimit:
    """`per_s` for ever, `burst` of them at once. Beyond `most` keys those quiet for longest are forgotten."""

    def __init__(self, per_s: float, burst: int, most: int = MOST_KEYS) -> None:
        self._interval_s = 1 / per_s
        self._depth_s = burst * self._interval_s
        self._most = most
        self._full_s: dict[Hashable, float] = {}

    def take(self, key: Hashable, now_s: float) -> float:
        """0 if this one is within the rate; else in how many seconds the next one will be, and it costs nothing."""
        wait_s = self.wait_s(key, now_s)
        if wait_s:
            return wait_s
        self._full_s[key] = now_s + self.level(key, now_s) + self._interval_s
        self._full_s[key] = self._full_s.pop(key)  # the one that spoke last stands last
        if len(self._full_s) > self._most:
            self._forget(now_s)
        return 0.0

    def wait_s(self, key: Hashable, now_s: float) -> float:
        """What `take` would say; nothing is taken."""
        wait_s = self.level(key, now_s) + self._interval_s - self._depth_s
        return wait_s if wait_s > 1e-9 else 0.0

    def level(self, key: Hashable, now_s: float) -> float:
        """In how many seconds the bucket is full again."""
        return max(0.0, self._full_s.get(key, now_s) - now_s)

    def give_back(self, key: Hashable) -> None:
        """It shall not count after all."""
        if key in self._full_s:
            self._full_s[key] -= self._interval_s

    def _forget(self, now_s: float) -> None:
        speaking = {key: full_s for key, full_s in self._full_s.items() if full_s > now_s}
        excess = max(0, len(speaking) - self._most * 9 // 10)
        self._full_s = dict(list(speaking.items())[excess:])

    def __len__(self) -> int:
        return len(self._full_s)


class Recent:
    """Who was here in the last `for_s` seconds. Beyond `most` those quiet for longest are forgotten."""

    def __init__(self, for_s: float = RECENT_S, most: int = MOST_KEYS) -> None:
        self._for_s = for_s
        self._most = most
        self._seen_s: OrderedDict[Hashable, float] = OrderedDict()

    def add(self, key: Hashable, now_s: float) -> None:
        self._seen_s[key] = now_s
        self._seen_s.move_to_end(key)
        if len(self._seen_s) > self._most:
            self._seen_s.popitem(last=False)

    def has(self, key: Hashable, now_s: float) -> bool:
        return now_s - self._seen_s.get(key, float("-inf")) <= self._for_s

    def forget(self, key: Hashable) -> None:
        self._seen_s.pop(key, None)


class Slowdown:
    """`per_s` for ever and `free` of them at once without a delay; each one beyond doubles it, up to `most_s`.

    Nobody is refused, and once it is quiet a few intervals bring it back to nothing.
    """

    def __init__(self, per_s: float, free: int, most_s: float = LONGEST_DELAY_S) -> None:
        self._per_s = per_s
        self._free = free
        self._most_s = most_s
        steps = math.ceil(math.log2(most_s / FIRST_DELAY_S)) + 1
        self._counted = RateLimit(per_s, free + steps)

    def take(self, key: Hashable, now_s: float) -> float:
        """Count this one; for how many seconds it shall wait."""
        self._counted.take(key, now_s)
        over = round(self._counted.level(key, now_s) * self._per_s) - self._free
        return 0.0 if over <= 0 else min(self._most_s, FIRST_DELAY_S * 2 ** (over - 1))

    def give_back(self, key: Hashable) -> None:
        """It shall not count after all."""
        self._counted.give_back(key)
