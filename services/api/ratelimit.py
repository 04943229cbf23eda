"""How often somebody may ask: a token bucket for each key. Pure.

Each process counts for itself, so two replicas let twice as much through. A bucket is one number (GCRA): the moment at
which it will be full again.
"""

from collections.abc import Hashable
from typing import Final

MOST_KEYS: Final = 10_000


class RateLimit:
    """`per_s` for ever, `burst` of them at once. Beyond `most` keys those quiet for longest are forgotten."""

    def __init__(self, per_s: float, burst: int, most: int = MOST_KEYS) -> None:
        self._interval_s = 1 / per_s
        self._depth_s = burst * self._interval_s
        self._most = most
        self._full_s: dict[Hashable, float] = {}

    def take(self, key: Hashable, now_s: float) -> float:
        """0 if this one is within the rate; else in how many seconds the next one will be, and it costs nothing."""
        after_s = max(self._full_s.get(key, now_s), now_s) + self._interval_s
        wait_s = after_s - now_s - self._depth_s
        if wait_s > 1e-9:
            return wait_s
        self._full_s.pop(key, None)  # the one that spoke last stands last
        self._full_s[key] = after_s
        if len(self._full_s) > self._most:
            self._forget(now_s)
        return 0.0

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
