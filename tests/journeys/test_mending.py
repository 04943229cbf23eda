"""A device is refused, hears why, is mended, and what it said meanwhile is not lost."""

import sqlite3
import time

import orjson

from tests.peers.mqtt import Client
from tests.peers.system import System
from tests.peers.waiting import eventually

PATH = "/api/v1/dead-letters"


def set_disabled(system: System, device_id: str, *, disabled: bool) -> None:
    """In the database, as an operator may; a device that is added makes ingest look."""
    connection = sqlite3.connect(system.data_dir / "telemetrio.db", timeout=10)
    connection.execute("UPDATE devices SET disabled = ? WHERE device_id = ?", (disabled, device_id))
    connection.commit()
    connection.close()
    other = {"device_id": f"other-{disabled}", "name": "Other"}
    assert system.request("POST", "/api/devices", other)[0] == 201


def letters(system: System) -> list[int]:
    found = system.get(f"{PATH}?code=device_disabled&device_id=mended&per_page=100")
    return [letter["id"] for letter in found["data"]]


async def test_what_a_disabled_device_said_is_stored_once_it_is_enabled(system: System) -> None:
    """Its messages are dead letters, and it hears so; enabled and driven again they are readings, the letters gone."""
    start_ns = time.time_ns() - 60 * 10**9
    topic, readings = "iot/devices/mended/data", "/api/v1/devices/mended/readings?epoch=ns"
    system.publish(topic, orjson.dumps({"temperature": 1, "ts": start_ns}))
    system.eventually_device("mended")
    device = await Client.connected(system.mqtt_port, "mended")
    await device.subscribe("iot/devices/mended/errors")
    set_disabled(system, "mended", disabled=True)
    sent = 0

    def refused() -> list[int]:
        nonlocal sent
        sent += 1
        system.publish(topic, orjson.dumps({"temperature": 1, "ts": start_ns + sent}))
        return letters(system)

    eventually(refused, 10)
    assert orjson.loads((await device.receive()).payload)["code"] == "device_disabled"
    set_disabled(system, "mended", disabled=False)

    def driven() -> bool:
        status, _ = system.request("POST", f"{PATH}/redrive", {"code": ["device_disabled"]})
        assert status == 202
        return not letters(system)

    eventually(driven, 10)
    expected = [start_ns + number for number in range(sent + 1)]
    eventually(lambda: [each["timestamp"] for each in system.get(readings)["data"]] == expected, 10)
    books = system.get("/api/v1/ingest/books")["total"]
    assert books["balanced"]
    await Client.cut_all()
