"""Latest values that the relational database may not know yet: merged here, and kept in the outbox's file.

Not with every commit: what was committed since the last checkpoint is in the spool's own rows, and is read from them
after a crash. So rows may leave the spool only together with a checkpoint that speaks of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple, Self

import orjson

from services.ingest.stages import counted
from shared.keptjson import kept_json
from shared.readings import DeviceStatus, Reading, Value, Values


@dataclass(slots=True)
class Latest:
    """What one device said last. `ts_ns` is 0 while only its status is known; `generation` grows with each commit.

    `values` are those of `ts_ns`; `older`: metrics that were not among them, with the times of their own. What the
    relational database has may be newer than these, and is not to be moved back along with what is newer still.
    Neither a reading's values nor `values` are ever changed in place: they are shared.
    """

    user_id: int
    measurement: str = ""
    ts_ns: int = 0
    seen_ns: int = 0
    values: Values = field(default_factory=dict)
    status: str = ""
    status_ns: int = 0
    generation: int = 0
    older: dict[str, tuple[int, Value]] = field(default_factory=dict)

    def copy(self) -> "Latest":
        """Spelled out: dataclasses.replace costs ten times as much."""
        return Latest(
            self.user_id,
            self.measurement,
            self.ts_ns,
            self.seen_ns,
            self.values,
            self.status,
            self.status_ns,
            self.generation,
            dict(self.older),
        )

    def keep(self, ts_ns: int, values: Values) -> None:
        """A reading of `ts_ns` or later, which has not all the metrics that are known."""
        if ts_ns == self.ts_ns:
            self.values = {**self.values, **values}
        else:
            self.older.update((name, (self.ts_ns, value)) for name, value in self.values.items())
            self.values = values
        for name in self.values.keys() & self.older.keys():
            del self.older[name]

    def by_time(self) -> list[tuple[int, Values]]:
        """(ts_ns, values) of each time that something is of, the oldest first."""
        found: dict[int, Values] = {}
        for name, (ts_ns, value) in self.older.items():
            found.setdefault(ts_ns, {})[name] = value
        return [*sorted(found.items()), (self.ts_ns, self.values)]

    @classmethod
    def of(cls, row: "KeptRow") -> Self:
        """The inverse of `kept_row`."""
        _, user_id, measurement, ts_ns, seen_ns, kept, status, status_ns, generation = row
        values = orjson.loads(kept)
        *before, (_, newest) = values if isinstance(values, list) else [(ts_ns, values)]
        older = {name: (then_ns, value) for then_ns, each in before for name, value in each.items()}
        return cls(user_id, measurement, ts_ns, seen_ns, newest, status, status_ns, generation, older)

    def kept_row(self, device_id: str) -> "KeptRow":
        """Of the outbox's table `dirty`."""
        return (
            device_id,
            self.user_id,
            self.measurement,
            self.ts_ns,
            self.seen_ns,
            kept_json(self.by_time() if self.older else self.values),
            self.status,
            self.status_ns,
            self.generation,
        )

    def values_rows(self, device_id: str) -> list[dict[str, Any]]:
        """Of the table `latest`, in the order in which they are to be merged into it."""
        whose = {"device_id": device_id, "user_id": self.user_id, "measurement": self.measurement}
        return [
            {**whose, "ts_ns": ts_ns, "seen_ns": self.seen_ns, "values": values} for ts_ns, values in self.by_time()
        ]

    def status_row(self, device_id: str) -> dict[str, Any]:
        """Of the table `device_status`."""
        return {"device_id": device_id, "user_id": self.user_id, "status": self.status, "ts_ns": self.status_ns}

    def take_status(self, status: DeviceStatus) -> None:
        if status.ts_ns < self.status_ns:
            return
        if status.user_id != self.user_id:  # the old owner's values are none of the new one's business
            self.user_id, self.measurement, self.ts_ns, self.values, self.older = status.user_id, "", 0, {}, {}
        self.status, self.status_ns = status.status, status.ts_ns


# (device_id, …, generation): what Latest has, its values as JSON: an object, or [[ts_ns, object], …] of several times
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
            if row.measurement != measurement or row.user_id != user_id:
                if row.user_id != user_id:  # nor is what it said of itself under another one
                    row.status, row.status_ns = "", 0
                row.user_id, row.measurement, row.values, row.older = user_id, measurement, values, {}
            elif row.values.keys() <= values.keys() and not row.older:  # nearly always
                row.values = values
            else:
                row.keep(ts_ns, values)
            row.ts_ns = ts_ns
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
