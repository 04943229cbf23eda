"""How often one device may speak: a token bucket for each, pure; the time is that of the messages' receipt.

A bucket is one number (GCRA): the moment at which it will be full again. It says as much as a level and a time, and a
bucket that is full needs no number at all.
"""

from typing import Final

_SWEPT_FROM: Final = 1_024


class RateLimit:
    """`per_s` messages of a device each second for ever, and `burst` of them at once."""

    def __init__(self, per_s: float, burst: int) -> None:
        self._interval_ns = max(1, round(1e9 / per_s))
        self._depth_ns = burst * self._interval_ns
        self._full_ns: dict[str, int] = {}
        self._swept_above = _SWEPT_FROM

    def admits(self, device_id: str, now_ns: int) -> bool:
        """Whether this message is within the rate; one that isn't costs nothing."""
        full_ns = self._full_ns.get(device_id, now_ns)
        if full_ns - now_ns > self._depth_ns:
            full_ns = now_ns  # no bucket is so empty: the clock has jumped back, and nobody must wait for it
        after_ns = max(full_ns, now_ns) + self._interval_ns
        if after_ns - now_ns > self._depth_ns:
            return False
        self._full_ns[device_id] = after_ns
        if len(self._full_ns) > self._swept_above:
            self._sweep(now_ns)
        return True

    def _sweep(self, now_ns: int) -> None:
        """Forget who is quiet: what is kept is bounded by the devices that have just spoken."""
        self._full_ns = {each: full_ns for each, full_ns in self._full_ns.items() if full_ns > now_ns}
        self._swept_above = max(_SWEPT_FROM, 2 * len(self._full_ns))

    def __len__(self) -> int:
        return len(self._full_ns)
