"""Server messages as text: each reading is encoded once, and what is equal for many clients is put together once."""

from collections.abc import Iterable, Sequence
from typing import Final

import orjson

from services.realtime.protocol import PROTOCOL_VERSION
from shared.readings import DeviceStatus, Reading
from shared.times import iso_ns

PONG: Final = '{"type":"pong"}'


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
