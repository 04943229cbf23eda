"""What every time-series store can do, in values: what goes in, what is asked, what comes back, what can go wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from shared.identifiers import DeviceId, MetricName, UserId
from shared.readings import Reading, ReadingBatch, Value
from shared.timeseries.calendar import Run

Aggregate = Literal["mean", "min", "max", "sum", "count", "first", "last", "median", "p95", "stddev"]
Kind = Literal["number", "string", "boolean"]


class StoreError(Exception):
    """What can go wrong when readings are written or asked for.

    StoreError
    ├── Refused       these readings, for this reason; the others are stored
    └── Unavailable   nothing is known to be stored; retry_after_s says when to come back
        └── Denied    a token, a bucket: somebody must act, so say it loudly
            └── Missing   the bucket is not there; others may be
    """


class Refused(StoreError):
    """`refused`: (position, reason) of each reading that this store will never take.

    Positions count over the readings of all batches of the write, in order.
    """

    def __init__(self, refused: Sequence[tuple[int, str]]) -> None:
        super().__init__(f"{len(refused)} readings refused, first: {refused[0][1]}")
        self.refused = refused


class Unavailable(StoreError):
    """An outage, as far as this side can tell. `retry_after_s`: the store's own word, if it gave one."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Denied(Unavailable):
    """The store answers, but not to us."""


class Missing(Denied):
    """The bucket is not there, and no store makes one."""


@dataclass(frozen=True, slots=True)
class RawQuery:
    """A range of one device's readings, as they were sent.

    `user_ids` is the tenant filter: never empty, never "all by default"; None only for an admin.
    `start_ns` is inclusive, `end_ns` exclusive. `metrics` None means every metric. `after` is the cursor of the page
    before: the (ts_ns, measurement, user_id) of its last reading.
    """

    device_id: str
    user_ids: Sequence[int] | None
    start_ns: int
    end_ns: int
    limit: int
    metrics: Sequence[str] | None = None
    order: Literal["asc", "desc"] = "asc"
    after: tuple[int, str, int] | None = None


@dataclass(frozen=True, slots=True)
class RawPage:
    """Readings in order of (ts_ns, measurement, user_id); `more` says whether the range goes on after the last one."""

    readings: Sequence[Reading]
    more: bool


@dataclass(frozen=True, slots=True)
class WindowQuery:
    """Aggregates of many devices' readings, window by window.

    `user_ids` as in RawQuery. Of a window that the range cuts, only what lies in the range is counted. `runs`: in
    order, none overlapping another.
    """

    device_ids: Sequence[str]
    user_ids: Sequence[int] | None
    metrics: Sequence[str]
    aggregates: Sequence[Aggregate]
    start_ns: int
    end_ns: int
    runs: Sequence[Run]


class WindowRow(NamedTuple):
    """`number` values in the window that begins at `start_ns`; `values`: one for each aggregate that was asked for.

    None where there is none: the stddev of one value, the mean of words, a sum beyond what a float can say.
    """

    start_ns: int
    number: int
    values: tuple[Value | None, ...]


class WindowSeries(NamedTuple):
    """The windows that are not empty, in order, of one metric that a device sent as one kind of value."""

    device_id: DeviceId
    user_id: UserId
    measurement: MetricName
    metric: MetricName
    kind: Kind
    rows: Sequence[WindowRow]


@dataclass(frozen=True, slots=True)
class LateQuery:
    """What was committed from `start_ns` up to `end_ns` (exclusive), long after its own time.

    Of a tenant or several; `user_ids` None only for an admin.
    """

    user_ids: Sequence[int] | None
    start_ns: int
    end_ns: int


class LateRange(NamedTuple):
    """`number` late readings of one device and owner have times from `start_ns` up to `end_ns` (exclusive)."""

    device_id: DeviceId
    user_id: UserId
    start_ns: int
    end_ns: int
    number: int


class Sink(Protocol):
    """A store for whoever only writes."""

    async def write(self, batches: Sequence[ReadingBatch]) -> None:
        """Store all, or raise StoreError. Writing a batch again writes the identical points.

        Readings committed more than 60 s after their own time are noted with it, by commit: see `late`.
        """
        ...


class TimeSeriesStore(Sink, Protocol):
    """One store, whichever it is. tests/contracts/ runs one suite over all of them."""

    async def raw(self, query: RawQuery) -> RawPage:
        """One page of a range; raises Unavailable."""
        ...

    async def newest(self, owner: int, limit: int) -> Sequence[Reading]:
        """The newest readings of one owner over all devices, the newest first: by (ts_ns, device_id, measurement).

        Raises Unavailable.
        """
        ...

    async def windows(self, query: WindowQuery) -> Sequence[WindowSeries]:
        """By device, owner, measurement, metric and kind, in order of these; raises Unavailable.

        stddev is the sample's; p95 is the value at rank floor(0.95 n + 0.5). Strings and booleans have a count, a first
        and a last one.
        """
        ...

    async def late(self, query: LateQuery) -> Sequence[LateRange]:
        """One range for each device and owner, in order of these, around all that was late; raises Unavailable."""
        ...

    async def ping(self) -> None:
        """Return if the store takes and gives data now; raises Unavailable."""
        ...

    async def close(self) -> None: ...
