"""How long the newest readings took, by stage of the flow: for people who look; Prometheus has histograms."""

import time
from collections import deque
from collections.abc import Callable
from typing import Final, Literal, TypedDict

# a reading's own time → on disk; a commit alone; on disk → in the store
Stage = Literal["device", "commit", "store"]

STAGES: Final[tuple[Stage, ...]] = ("device", "commit", "store")
_KEPT_S: Final = 60.0
_MOST: Final = 500


class Took(TypedDict):
    """Milliseconds, of the last minute's samples."""

    p50_ms: float
    p99_ms: float
    n: int


class Latency:
    """A sample for each commit, and for each batch in a write; the newest 500 of the last minute are kept."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._samples: dict[Stage, deque[tuple[float, float]]] = {stage: deque(maxlen=_MOST) for stage in STAGES}

    def note(self, stage: Stage, seconds: float) -> None:
        """A device whose clock is ahead did not take less than no time."""
        self._samples[stage].append((self._clock(), max(seconds, 0.0)))

    def told(self) -> dict[Stage, Took]:
        """The stages of which there is anything to tell."""
        since = self._clock() - _KEPT_S
        kept = {stage: sorted(took for at, took in seen if at > since) for stage, seen in self._samples.items()}
        return {stage: _spread(took) for stage, took in kept.items() if took}


def _spread(took: list[float]) -> Took:
    def rank(share: float) -> float:
        return round(took[min(len(took) - 1, int(share * len(took)))] * 1_000, 3)

    return {"p50_ms": rank(0.5), "p99_ms": rank(0.99), "n": len(took)}
