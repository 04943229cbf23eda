"""Server messages as text: each reading is encoded once, and what is equal for many clients is put together once."""

from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple

import orjson

from services.realtime.protocol import PROTOCOL_VERSION, GapReason
from shared.readings import DeviceStatus, Reading
from shared.times import iso_ns

PONG: Final = '{"type":"pong"}'


class Interruption(NamedTuple):
    """Something is missing behind the cursor `since`, of times from `oldest` to `newest`."""

    since: str
    oldest: str
    newest: str


class Gap(NamedTuple):
    """`dropped`: 0 where nobody knows how many."""

    devices: Sequence[str] | Literal["*"]
    missing: Interruption
    reason: GapReason
    dropped: int = 0


def reading_text(reading: Reading) -> str:
    """One reading as clients see it: without its owner."""
    return orjson.dumps(
        {
            "device_id": reading.device_id,
            "timestamp": iso_ns(reading.ts_ns),
            "measurement": reading.measurement,
            "values": reading.values,
        }
    ).decode()


def readings_frame(cursor: str, body: str) -> str:
    """`body`: reading texts joined by commas."""
    return f'{{"type":"readings","cursor":"{cursor}","readings":[{body}]}}'


def heartbeat_frame(cursor: str) -> str:
    return f'{{"type":"heartbeat","cursor":"{cursor}"}}'


def gap_frame(gap: Gap) -> str:
    since, oldest, newest = gap.missing
    told = {"since": since, "from": oldest, "to": newest, "dropped": gap.dropped, "reason": gap.reason}
    return orjson.dumps({"type": "gap", "devices": gap.devices, **told}).decode()


def history_frame(message_id: int, texts: Iterable[str]) -> str:
    return f'{{"type":"history","id":{message_id},"readings":[{",".join(texts)}]}}'


def caught_up_frame(message_id: int, cursor: str) -> str:
    return f'{{"type":"caught_up","id":{message_id},"cursor":"{cursor}"}}'


def snapshot_frame(message_id: int, texts: Iterable[str]) -> str:
    return f'{{"type":"snapshot","id":{message_id},"readings":[{",".join(texts)}]}}'


def status_frame(status: DeviceStatus) -> str:
    return orjson.dumps(
        {
            "type": "status",
            "device_id": status.device_id,
            "status": status.status,
            "last_seen": iso_ns(status.ts_ns),
        }
    ).decode()


def welcome_frame(heartbeat_s: float) -> str:
    return orjson.dumps({"type": "welcome", "version": PROTOCOL_VERSION, "heartbeat_s": heartbeat_s}).decode()


def subscribed_frame(message_id: int, devices: int, unknown: Sequence[str]) -> str:
    return orjson.dumps({"type": "subscribed", "id": message_id, "devices": devices, "unknown": unknown}).decode()


def error_frame(code: str, message: str, message_id: int | None = None) -> str:
    return orjson.dumps({"type": "error", "id": message_id, "code": code, "message": message}).decode()
