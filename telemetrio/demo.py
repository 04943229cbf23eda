"""`--demo`: a handful of devices that live in the same process, and speak real MQTT to its broker."""

import asyncio
import math
import random
import time
from typing import Final, NamedTuple

import aiomqtt
import orjson
import structlog

from shared.topics import DEVICE_PREFIX, data_topic, status_topic

log = structlog.get_logger()

_EVERY_S: Final = 1.0
_AGAIN_S: Final = 10.0


class DemoDevice(NamedTuple):
    """A place with a climate of its own; `period_s` is how long its day takes."""

    device_id: str
    temperature: float
    humidity: float
    period_s: float


DEVICES: Final = (
    DemoDevice("demo-greenhouse", 26.0, 72.0, 240.0),
    DemoDevice("demo-living-room", 21.5, 45.0, 420.0),
    DemoDevice("demo-cellar", 12.0, 64.0, 900.0),
    DemoDevice("demo-roof", 8.0, 58.0, 180.0),
    DemoDevice("demo-server-rack", 31.0, 30.0, 90.0),
)


def reading(device: DemoDevice, now_s: float, noise: random.Random) -> dict[str, float]:
    """One sample (°C, %, hPa): a slow wave with a little noise."""
    phase = 2 * math.pi * now_s / device.period_s
    return {
        "temperature": round(device.temperature + 2.5 * math.sin(phase) + noise.gauss(0, 0.08), 2),
        "humidity": round(device.humidity - 6 * math.sin(phase) + noise.gauss(0, 0.3), 1),
        "pressure": round(1013.25 + 4 * math.sin(now_s / 1800) + noise.gauss(0, 0.05), 2),
    }


async def run_demo(mqtt_port: int, prefix: str = DEVICE_PREFIX) -> None:
    """Publish until cancelled, once a second for each device, at moments spread over that second."""
    async with asyncio.TaskGroup() as group:
        for position, device in enumerate(DEVICES):
            delay_s = _EVERY_S * position / len(DEVICES)
            group.create_task(_live(device, mqtt_port, prefix, delay_s), name=device.device_id)


async def _live(device: DemoDevice, mqtt_port: int, prefix: str, delay_s: float) -> None:
    """One that is shut out costs nobody else anything: whoever tries credentials gives them to a device of the demo."""
    await asyncio.sleep(delay_s)
    while True:
        try:
            await _talk(device, mqtt_port, prefix)
        except aiomqtt.MqttError as error:
            log.info("demo_device_shut_out", device_id=device.device_id, reason=str(error))
        await asyncio.sleep(_AGAIN_S)


async def _talk(device: DemoDevice, mqtt_port: int, prefix: str) -> None:
    noise = random.Random(device.device_id)  # noqa: S311 - weather, not secrets
    data, status = data_topic(device.device_id, prefix), status_topic(device.device_id, prefix)
    gone = aiomqtt.Will(status, "offline", qos=1, retain=True)
    async with aiomqtt.Client("127.0.0.1", mqtt_port, identifier=device.device_id, will=gone, keepalive=30) as client:
        await client.publish(status, "online", qos=1, retain=True)
        while True:
            await client.publish(data, orjson.dumps(reading(device, time.time(), noise)), qos=1)
            await asyncio.sleep(_EVERY_S)
