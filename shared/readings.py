"""Reading and ReadingBatch: the unit of data, and its one encoding.

A batch is encoded once, when it is committed: the bytes of the outbox row are what is announced and what is read again
after a restart. Inside a process the same batch travels as a value, with its readings already decoded.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, NamedTuple

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from shared.identifiers import DeviceId, MetricName, UserId
from shared.keptjson import kept_json
from shared.times import MAX_NS, MIN_NS

SCHEMA_VERSION: Final = 1

# beyond 64 bits is no time: neither an encoder nor a store would take it
Moment = Annotated[int, Field(ge=MIN_NS, le=MAX_NS)]
Value = float | bool | str
Values = dict[MetricName, Value]


class Reading(NamedTuple):
    """What one device measured at one moment. Its identity is (measurement, device_id, user_id, ts_ns).

    `ts_ns` is int64 nanoseconds since 1970 UTC. `values` has plain metric names; numbers are always floats.
    """

    device_id: DeviceId
    user_id: UserId
    measurement: MetricName
    ts_ns: Moment
    values: Values


class DeviceStatus(NamedTuple):
    """What a device (or its last will) said of itself: `online` or `offline`, at `ts_ns`."""

    device_id: DeviceId
    user_id: UserId
    status: str
    ts_ns: Moment


@dataclass(frozen=True, slots=True)
class ReadingBatch:
    """One committed group = one outbox row = one announcement = one `seq` of one (`source`, `epoch`).

    `prev` is the seq announced before it; `stored_seq`: everything up to it is in the time-series store;
    `committed_ns`: when it was on disk, by the clock of the ingest host. `body`: the row's own bytes, where they are at
    hand; a batch that came over the network has been decoded.
    """

    source: str
    epoch: str
    seq: int
    prev: int
    stored_seq: int
    committed_ns: int
    readings: Sequence[Reading] = ()
    status: Sequence[DeviceStatus] = ()
    body: bytes = field(default=b"[]", repr=False, compare=False)


def encode_readings(readings: Sequence[Reading]) -> bytes:
    """JSON `[[device_id, user_id, measurement, ts_ns, {metric: value}], …]`: the one encoding, see docs/protocol.md."""
    return kept_json([tuple(reading) for reading in readings])


def decode_readings(body: bytes) -> list[Reading]:
    """The inverse, for bytes that we wrote and whose checksum held: nothing is validated again."""
    make = Reading._make
    return [make(row) for row in orjson.loads(body)]


class Announcement(BaseModel):
    """The envelope of `telemetrio/live/{source}`: a batch as other processes see it."""

    model_config = ConfigDict(frozen=True)

    v: int = Field(default=SCHEMA_VERSION, description="Version of this envelope.")
    source: str
    epoch: str
    seq: int = Field(ge=0)
    prev: int = Field(ge=0)
    stored_seq: int = Field(ge=0)
    committed_ns: int
    readings: list[Reading] = []
    status: list[DeviceStatus] = []


_announcement: Final = TypeAdapter(Announcement)


class BadAnnouncement(Exception):
    """Bytes on the live tree that are no announcement of this version."""


def encode_announcement(batch: ReadingBatch) -> bytes:
    """Wrap the row's own bytes, its `body`, without encoding the readings again."""
    envelope: dict[str, Any] = {
        "v": SCHEMA_VERSION,
        "source": batch.source,
        "epoch": batch.epoch,
        "seq": batch.seq,
        "prev": batch.prev,
        "stored_seq": batch.stored_seq,
        "committed_ns": batch.committed_ns,
        "readings": orjson.Fragment(batch.body),
        "status": [tuple(status) for status in batch.status],
    }
    return orjson.dumps(envelope)


def decode_announcement(payload: bytes) -> ReadingBatch:
    """Validate bytes from the broker; raises BadAnnouncement, naming the field."""
    try:
        seen = _announcement.validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "payload"
        raise BadAnnouncement(f"{where}: {first['msg']}") from error
    if seen.v != SCHEMA_VERSION:
        raise BadAnnouncement(f"v: this service reads version {SCHEMA_VERSION}, got {seen.v}")
    return ReadingBatch(
        seen.source,
        seen.epoch,
        seen.seq,
        seen.prev,
        seen.stored_seq,
        seen.committed_ns,
        seen.readings,
        seen.status,
    )
