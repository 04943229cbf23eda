"""Latest values that the relational database may not know yet: merged here, kept in the outbox file until pushed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice

from services.ingest.group import Group
from shared.readings import DeviceStatus, Reading, Values


@dataclass(slots=True)
class Latest:
    """What one device said last. `ts_ns` is 0 while only its status is known; `generation` grows with each commit."""

    user_id: int
    measurement: str = ""
    ts_ns: int = 0
    seen_ns: int = 0
    values: Values = field(default_factory=dict)
    status: str = ""
    status_ns: int = 0
    generation: int = 0

    def copy(self) -> "Latest":
        """Spelled out: dataclasses.replace costs ten times as much, once for each device and commit."""
        return Latest(
            self.user_id,
            self.measurement,
            self.ts_ns,
            self.seen_ns,
            dict(self.values),
            self.status,
            self.status_ns,
            self.generation,
        )

    def take(self, reading: Reading, seen_ns: int) -> None:
        """Newer data wins, metric by metric. Late data moves nothing back, but the device was heard."""
        self.seen_ns = max(self.seen_ns, seen_ns)
        if reading.ts_ns < self.ts_ns:
            return
        if (reading.user_id, reading.measurement) == (self.user_id, self.measurement):
            self.values.update(reading.values)
        else:
            self.user_id, self.measurement = reading.user_id, reading.measurement
            self.values = dict(reading.values)
        self.ts_ns = reading.ts_ns

    def take_status(self, status: DeviceStatus) -> None:
        if status.ts_ns >= self.status_ns:
            self.user_id, self.status, self.status_ns = status.user_id, status.status, status.ts_ns


class LatestBoard:
    """device_id → Latest, for devices that changed since the last push."""

    def __init__(self) -> None:
        self._dirty: dict[str, Latest] = {}
        self._generation = 0

    def load(self, rows: Mapping[str, Latest]) -> None:
        """What an earlier run left behind."""
        self._dirty.update(rows)
        self._generation = max((row.generation for row in rows.values()), default=0)

    def merged(self, group: Group) -> dict[str, Latest]:
        """What the board will say once `group` is on disk; the board itself is unchanged until `apply`."""
        self._generation += 1
        seen_ns = group.deliveries[-1].received_ns
        changed: dict[str, Latest] = {}
        for reading in group.readings:
            self._changed(changed, reading.device_id, reading.user_id).take(reading, seen_ns)
        for status in group.status:
            self._changed(changed, status.device_id, status.user_id).take_status(status)
        return changed

    def _changed(self, changed: dict[str, Latest], device_id: str, user_id: int) -> Latest:
        found = changed.get(device_id)
        if found is None:
            known = self._dirty.get(device_id)
            found = Latest(user_id) if known is None else known.copy()
            found.generation = self._generation
            changed[device_id] = found
        return found

    def apply(self, changed: Mapping[str, Latest]) -> None:
        self._dirty.update(changed)

    def waiting(self, limit: int) -> dict[str, Latest]:
        """Up to `limit` devices to push, the longest waiting first."""
        return dict(islice(self._dirty.items(), limit))

    def pushed(self, rows: Mapping[str, Latest]) -> list[tuple[str, int]]:
        """Forget what was pushed and hasn't changed since; returns (device_id, generation) to forget on disk."""
        for device_id, row in rows.items():
            current = self._dirty.pop(device_id, None)
            if current is not None and current is not row:
                self._dirty[device_id] = current  # to the end: those who changed meanwhile must not starve the others
        return [(device_id, row.generation) for device_id, row in rows.items()]

    def __len__(self) -> int:
        return len(self._dirty)
