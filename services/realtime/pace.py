"""How often one client may do something, pure: a token bucket as one number, the moment at which it is full again."""


class Pace:
    """`per_min` times a minute for ever, and as often at once."""

    __slots__ = ("_full_s", "_interval_s")

    def __init__(self, per_min: int) -> None:
        self._interval_s = 60 / per_min
        self._full_s = 0.0

    def wait_s(self, now: float) -> float:
        """0: it may, and has. Otherwise in how many seconds it may."""
        after_s = max(self._full_s, now) + self._interval_s
        if after_s - now > 60 + 1e-6:  # sums of fractions are not exact
            return after_s - now - 60
        self._full_s = after_s
        return 0.0
