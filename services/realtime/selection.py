"""What a session sees: the readings of its owners' devices, as far as its subscriptions ask for them."""

from collections.abc import Iterable
from typing import NamedTuple

from services.realtime.frames import reading_text
from services.realtime.protocol import Subscribe
from shared.readings import Reading

UserIds = frozenset[int] | None
Metrics = frozenset[str] | None
"""None: all of them."""


def may_see(user_ids: UserIds, owner: int) -> bool:
    """The one place that decides whose data a session gets. None: everybody's (an admin)."""
    return user_ids is None or owner in user_ids


class Everywhere(NamedTuple):
    """A subscription to "*"; a type of its own because None as metrics means all."""

    metrics: Metrics


class Selection(NamedTuple):
    """The union of a session's subscriptions, as a value: sessions with equal ones share every frame."""

    user_ids: UserIds
    everywhere: Everywhere | None
    devices: frozenset[tuple[str, Metrics]]
    rate_hz: float | None = None

    @property
    def whole(self) -> bool:
        """Nothing to filter at all."""
        return self.user_ids is None and self.everywhere is not None and self.everywhere.metrics is None

    @property
    def empty(self) -> bool:
        return self.everywhere is None and not self.devices


def select(user_ids: UserIds, subscriptions: Iterable[Subscribe]) -> Selection:
    """A device that several subscriptions name is delivered once, with all the metrics that they ask for.

    At the highest of their rates: one that names none gets every reading, and so does everything beside it.
    """
    subscriptions = list(subscriptions)
    everywhere: Everywhere | None = None
    devices: dict[str, Metrics] = {}
    for asked in subscriptions:
        metrics = None if asked.metrics is None else frozenset(asked.metrics)
        if asked.devices == "*":
            everywhere = Everywhere(metrics if everywhere is None else _union(everywhere.metrics, metrics))
            continue
        for device_id in asked.devices:
            devices[device_id] = _union(devices[device_id], metrics) if device_id in devices else metrics
    if everywhere is not None:
        covered = everywhere.metrics
        devices = {
            device_id: _union(metrics, covered)
            for device_id, metrics in devices.items()
            if _union(metrics, covered) != covered
        }
    rates = [asked.rate_hz for asked in subscriptions]
    limited = [rate for rate in rates if rate is not None]
    rate_hz = max(limited) if limited and len(limited) == len(rates) else None
    return Selection(user_ids, everywhere, frozenset(devices.items()), rate_hz)


class Filter:
    """A selection, prepared for asking it about each reading."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._devices = dict(selection.devices)

    def metrics(self, device_id: str, owner: int) -> tuple[bool, Metrics]:
        """Whether the device is seen at all, and which of its metrics."""
        selection = self._selection
        if not may_see(selection.user_ids, owner):
            return False, None
        if device_id in self._devices:
            return True, self._devices[device_id]
        if selection.everywhere is not None:
            return True, selection.everywhere.metrics
        return False, None

    def text(self, reading: Reading, whole: str) -> str | None:
        """The reading as this selection sees it: `whole`, or fewer metrics, or nothing."""
        seen, metrics = self.metrics(reading.device_id, reading.user_id)
        if not seen:
            return None
        if metrics is None or metrics.issuperset(reading.values):
            return whole
        values = {name: value for name, value in reading.values.items() if name in metrics}
        return reading_text(reading._replace(values=values)) if values else None


def _union(one: Metrics, other: Metrics) -> Metrics:
    return None if one is None or other is None else one | other
