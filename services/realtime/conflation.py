"""What is left for a client that can't keep up: the newest value of each device and metric, and what that cost."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Any, Final

import orjson

from services.realtime.frames import Gap, Interruption, gap_frame, readings_frame

MAX_NAMED_DEVICES: Final = 1_000

# what an entry of a device with its names, and a metric in it, take besides their texts
_ENTRY_BYTES: Final = 160
_METRIC_BYTES: Final = 24


class _Kept:
    """The metrics of one reading that no newer reading of its device has."""

    __slots__ = ("bytes", "values", "whole")

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values
        self.whole = True
        self.bytes = _size(values)

    def without(self, names: AbstractSet[str]) -> "_Kept":
        left = _Kept({name: value for name, value in self.values.items() if name not in names})
        left.whole = False
        return left


class Conflated:
    """Readings merged per device, measurement and metric by their own time; `since`: the cursor before all of them."""

    def __init__(self, since: str) -> None:
        self._since = since
        self.kept: dict[tuple[str, str], dict[str, _Kept]] = {}
        self.devices: set[str] = set()
        self.oldest = ""
        self.newest = ""
        self.broken = False
        self.dropped = 0
        self.cursor = since
        self.bytes = 0

    def add(self, rows: Iterable[dict[str, Any]], cursor: str) -> None:
        """`rows`: readings as clients see them, in order; they are not changed. `cursor`: the place behind them."""
        self.cursor = cursor
        for row in rows:
            self._add(row["device_id"], row["measurement"], row["timestamp"], _Kept(row["values"]))

    def interrupt(self, interruption: Interruption) -> None:
        """Among these readings the feed had a hole: that, too, begins where they begin."""
        self.broken = True
        self._widen(interruption.oldest, interruption.newest)

    @property
    def empty(self) -> bool:
        """Nothing was put in yet."""
        return not (self.kept or self.broken)

    def absorb(self, later: "Conflated") -> "Conflated":
        """Itself, with what was conflated behind it."""
        for (device_id, measurement), times in later.kept.items():
            for timestamp, kept in times.items():
                self._add(device_id, measurement, timestamp, kept)
        self.broken = self.broken or later.broken
        self.devices |= later.devices
        self.dropped += later.dropped
        self.cursor = later.cursor
        if later.oldest:
            self._widen(later.oldest, later.newest)
        return self

    def texts(self) -> list[str]:
        """What is kept."""
        return [
            orjson.dumps(
                {"device_id": device_id, "timestamp": timestamp, "measurement": measurement, "values": kept.values}
            ).decode()
            for (device_id, measurement), times in self.kept.items()
            for timestamp, kept in sorted(times.items())
        ]

    @property
    def gap(self) -> bool:
        """Whether something is missing that the client must be told of."""
        return self.broken or self.dropped > 0

    def frames(self) -> list[str]:
        """A `gap`, if there is one, and what is kept. The gap comes first: it explains what follows."""
        readings = readings_frame(self.cursor, ",".join(self.texts()))
        return [self._told_gap(), readings] if self.gap else [readings]

    def _told_gap(self) -> str:
        named = len(self.devices) <= MAX_NAMED_DEVICES and not self.broken
        return gap_frame(
            Gap(
                sorted(self.devices) if named else "*",
                Interruption(self._since, self.oldest, self.newest),
                "slow_client" if self.dropped else "feed",
                self.dropped,
            )
        )

    def _add(self, device_id: str, measurement: str, timestamp: str, arrived: _Kept) -> None:
        times = self.kept.setdefault((device_id, measurement), {})
        if len(times) == 1 and self._replace(device_id, times, timestamp, arrived):
            return
        same = times.pop(timestamp, None)
        if same is not None:  # one identity, sent in parts: fields merge, the last wins
            self.bytes -= same.bytes
            whole = same.whole and arrived.whole
            arrived = _Kept({**same.values, **arrived.values})
            arrived.whole = whole
        for moment, kept in list(times.items()):
            covered = kept.values.keys() & arrived.values.keys()
            if covered and moment < timestamp:
                self._drop(device_id, kept, moment)
                self._keep(times, moment, kept.without(covered))
            elif covered:
                self._drop(device_id, arrived, timestamp)
                arrived = arrived.without(covered)
        self._keep(times, timestamp, arrived)

    def _replace(self, device_id: str, times: dict[str, _Kept], timestamp: str, arrived: _Kept) -> bool:
        """What nearly always happens: a newer reading with the same metrics takes the place of the one before."""
        ((moment, kept),) = times.items()
        if moment >= timestamp or kept.values.keys() != arrived.values.keys():
            return False
        self._drop(device_id, kept, moment)
        del times[moment]
        times[timestamp] = arrived
        self.bytes += arrived.bytes - kept.bytes
        return True

    def _keep(self, times: dict[str, _Kept], moment: str, kept: _Kept) -> None:
        """Put it in the place of what was kept of that moment; nothing is kept of a reading without a metric left."""
        before = times.pop(moment, None)
        self.bytes -= before.bytes if before else 0
        if kept.values:
            times[moment] = kept
            self.bytes += kept.bytes

    def _drop(self, device_id: str, kept: _Kept, timestamp: str) -> None:
        if len(self.devices) <= MAX_NAMED_DEVICES:
            self.devices.add(device_id)
        self._widen(timestamp, timestamp)
        self.dropped += kept.whole

    def _widen(self, oldest: str, newest: str) -> None:
        self.newest = max(self.newest, newest)
        if oldest < self.oldest or not self.oldest:
            self.oldest = oldest


def _size(values: dict[str, Any]) -> int:
    size = _ENTRY_BYTES
    for name, value in values.items():
        size += _METRIC_BYTES + len(name) + (len(value) if isinstance(value, str) else 0)
    return size
