"""What stands in the pictures: a demo that has run for a while, and one of everything else there can be."""

import json
import random
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from math import cos, pi
from typing import Final

from telemetrio.demo import DEVICES, DemoDevice, reading
from tests.peers.system import System
from tests.peers.waiting import eventually

BEHIND_S: Final = 15 * 60
EVERY_S: Final = 2
AT_ONCE: Final = 100
KNEE: Final = "demo-knee"
NEW: Final = "just-unpacked"
BENT_EVERY_S: Final = 4
PEOPLE: Final = (("ada@example.org", "Ada Lovelace", "admin"), ("grace@example.org", "Grace Hopper", "user"))
LETTERS: Final = ("{cut off", '{"a": {"b": {"c": 1}}}', "", '{"temperature": "hot", "humidity": null}')


def past(device: DemoDevice) -> Iterator[dict[str, object]]:
    """What it would have sent, had it been there."""
    noise, now_s = random.Random(device.device_id), time.time()
    for age_s in range(BEHIND_S, 0, -EVERY_S):
        at_s = now_s - age_s
        yield {"timestamp": datetime.fromtimestamp(at_s, UTC).isoformat(), **reading(device, at_s, noise)}


def movement() -> Iterator[dict[str, object]]:
    """A knee, bent and stretched for some minutes, every one of them a little further."""
    now_s = time.time()
    for step in range(1_200):
        at_s = now_s - 600 + step / 2
        bent = (1 - cos(2 * pi * at_s / BENT_EVERY_S)) / 2 * (0.6 + step / 3_000)
        values = {"x": round(bent, 3), "y": round(1 - bent / 2, 3), "z": round(bent / 4, 3)}
        yield {"timestamp": datetime.fromtimestamp(at_s, UTC).isoformat(), **values}


def fill(system: System) -> None:
    for device in DEVICES:
        name = device.device_id.removeprefix("demo-").replace("-", " ").capitalize()
        publish(system, device.device_id, past(device))
        system.request("POST", "/api/devices", {"device_id": device.device_id, "name": name})
    system.publish("iot/devices/demo-old-sensor/data", '{"temperature": ')
    eventually(lambda: system.get("/api/v1/ingest/books")["total"]["dead_lettered"] == 1)


def publish(system: System, device_id: str, samples: Iterable[dict[str, object]]) -> None:
    waiting = iter(samples)
    while part := list(islice(waiting, AT_ONCE)):
        system.publish(f"iot/devices/{device_id}/data", json.dumps(part))


def furnish(system: System) -> None:
    """A knee, people, keys, a credential, and letters of several kinds."""
    make(system, "/api/v1/devices", device_id=KNEE, name="Knee", profile="knee")
    publish(system, KNEE, movement())
    make(system, f"/api/v1/devices/{KNEE}/credentials", name="2026")
    for email, name, role in PEOPLE:
        make(system, "/api/v1/users", email=email, name=name, role=role)
    make(system, "/api/v1/api-keys", name="Grafana", scopes=["read"], expires_in_days=90)
    make(system, "/api/v1/api-keys", name="Line 3 controller", scopes=["read", "write", "live"])
    for payload in LETTERS:
        system.publish("iot/devices/demo-old-sensor/data", payload)


def make(system: System, path: str, **what: object) -> None:
    status, told = system.request("POST", path, what)
    if status != 201:
        raise AssertionError(told)
