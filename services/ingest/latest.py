"""Latest values that the relational database may not know yet: merged here, and kept in the outbox's file.

Not with every commit: what was committed since the last checkpoint is in the spool's own rows, and is read from them
after a crash. So rows may leave the spool only together with a checkpoint that speaks of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

from services.ingest.stages import counted
from shared.keptjson import kept_json
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
        """Spelled out: dataclasses.replace costs ten times as much."""
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

    def kept_row(self, device_id: str) -> "KeptRow":
        """Of the outbox's table `dirty`."""
        return (
            device_id,
            self.user_id,
            self.measurement,
            self.ts_ns,
            self.seen_ns,
            kept_json(self.values),
            self.status,
            self.status_ns,
            self.generation,
        )

    def values_row(self, device_id: str) -> dict[str, Any]:
        """Of the table `latest`."""
        return {
            "device_id": device_id,
            "user_id": self.user_id,
            "measurement": self.measurement,
            "ts_ns": self.ts_ns,
            "seen_ns": self.seen_ns,
            "values": self.values,
        }

    def status_row(self, device_id: str) -> dict[str, Any]:
        """Of the table `device_status`."""
        return {"device_id": device_id, "user_id": self.user_id, "status": self.status, "ts_ns": self.status_ns}

    def take_status(self, status: DeviceStatus) -> None:
        if status.ts_ns < self.status_ns:
            return
        if status.user_id != self.user_id:  # the old owner's values are none of the new one's business
            self.user_id, self.measurement, self.ts_ns, self.values = status.user_id, "", 0, {}
        self.status, self.status_ns = status.status, status.ts_ns


# (device_id, …, generation): what Latest has, its values as JSON
KeptRow = tuple[str, int, str, int, int, bytes, str, int, int]


class Checkpoint(NamedTuple):
    """Rows to be kept on disk; with them, and those kept before, all up to `seq` is kept or was pushed."""

    seq: int
    generation: int
    rows: Sequence[KeptRow]


class LatestBoard:
    """device_id → Latest, for devices that changed since the last push. Told of a group once it is on disk."""

    def __init__(self) -> None:
        self._dirty: dict[str, Latest] = {}
        self._saved: dict[str, int] = {}
        self._generation = 0
        self._saved_generation = 0
        self.seq = 0

    def load(self, rows: Mapping[str, Latest], seq: int) -> None:
        """What an earlier run kept, up to `seq`."""
        self._dirty.update(rows)
        self._generation = max((row.generation for row in rows.values()), default=0)
        self._saved = {device_id: row.generation for device_id, row in rows.items()}
        self._saved_generation = self._generation
        self.seq = seq

    @counted("latest")
    def take(self, seq: int, readings: Iterable[Reading], statuses: Iterable[DeviceStatus], seen_ns: int) -> None:
        """A row of the spool: newer data wins, metric by metric; late data moves nothing back, but was heard."""
        self.seq = seq
        self._generation = generation = self._generation + 1
        dirty = self._dirty
        for device_id, user_id, measurement, ts_ns, values in readings:
            row = dirty.get(device_id)
            if row is None:
                row = dirty[device_id] = Latest(user_id)
            row.generation = generation
            # it may be less: this host's clock was set back, or what is driven again was heard long ago
            if seen_ns > row.seen_ns:  # noqa: PLR1730 - max() would be a call for each reading
                row.seen_ns = seen_ns
            if ts_ns < row.ts_ns:
                continue
            row.ts_ns = ts_ns
            if row.measurement == measurement and row.user_id == user_id:
                row.values.update(values)
            else:
                if row.user_id != user_id:  # nor is what it said of itself under another one
                    row.status, row.status_ns = "", 0
                row.user_id, row.measurement, row.values = user_id, measurement, dict(values)
        for status in statuses:
            row = dirty.get(status.device_id)
            if row is None:
                row = dirty[status.device_id] = Latest(status.user_id)
            row.generation = generation
            row.take_status(status)

    @counted("latest")
    def checkpoint(self) -> Checkpoint:
        """What changed since the last one and still waits, as it is now: another thread writes it down."""
        before = self._saved_generation
        changed = [row.kept_row(device_id) for device_id, row in self._dirty.items() if row.generation > before]
        return Checkpoint(self.seq, self._generation, changed)

    def saved(self, checkpoint: Checkpoint) -> None:
        """It is on disk."""
        self._saved_generation = checkpoint.generation
        self._saved.update((row[0], row[-1]) for row in checkpoint.rows)

    @property
    def unsaved(self) -> bool:
        return self._generation > self._saved_generation

    def waiting(self, limit: int) -> dict[str, Latest]:
        """Copies of up to `limit` devices to push, the longest waiting first."""
        return {device_id: row.copy() for device_id, row in islice(self._dirty.items(), limit)}

    def pushed(self, rows: Mapping[str, Latest]) -> Sequence[tuple[str, int]]:
        """Forget what was pushed and hasn't changed since; returns (device_id, generation) to forget on disk."""
        forgotten = []
        for device_id, row in rows.items():
            current = self._dirty.pop(device_id, None)
            if current is not None and current.generation != row.generation:
                self._dirty[device_id] = current  # to the end: those who change all the time must not starve the others
            kept = self._saved.get(device_id)
            if kept is not None and kept <= row.generation:
                forgotten.append((device_id, self._saved.pop(device_id)))
        return forgotten

    def __len__(self) -> int:
        return len(self._dirty)
