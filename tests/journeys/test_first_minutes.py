"""What a newcomer does in the first minutes, against a real `telemetrio up`: publish, look, ask."""

import json
import subprocess
import sys
import time
import urllib.request
from functools import partial

import pytest

from tests.peers.influxdb import free_ports
from tests.peers.system import System
from tests.peers.waiting import eventually

SEED_MESSAGE = '{"temperature": 23.5, "humidity": 55, "pressure": 1013.25}'


@pytest.mark.peer("mosquitto_pub")
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_mosquitto_pub_is_seen_online(shared_system: System, qos: int) -> None:
    """The seed's own mosquitto_pub line, at each QoS: the API shows the device with its values, online."""
    device_id = f"pub-{qos}"
    topic = f"iot/devices/{device_id}/data"
    subprocess.run(
        ["mosquitto_pub", "-p", str(shared_system.mqtt_port), "-q", str(qos), "-t", topic, "-m", SEED_MESSAGE],
        check=True,
        timeout=10,
    )
    device = shared_system.eventually_device(device_id, 10)  # in a second where nothing else runs
    assert device["status"] == "online"
    assert (device["temperature"], device["humidity"], device["pressure"]) == (23.5, 55.0, 1013.25)
    assert device["last_seen"].endswith("Z")


def test_publish_needs_no_other_program(shared_system: System) -> None:
    """Without mosquitto_pub: acknowledged, so it is on disk; nobody there is said, with what to look at."""
    sent = publish("iot/devices/own/data", shared_system.mqtt_port)
    assert (sent.returncode, sent.stdout) == (
        0,
        f"acknowledged by 127.0.0.1:{shared_system.mqtt_port}: it is on disk\n",
    )
    assert shared_system.eventually_device("own", 10)["temperature"] == 23.5
    (nowhere,) = free_ports(1)
    refused = publish("iot/devices/own/data", nowhere)
    assert refused.returncode == 1
    assert f"127.0.0.1:{nowhere} did not take it" in refused.stderr
    assert "telemetrio up" in refused.stderr


def publish(topic: str, port: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "telemetrio", "publish", topic, SEED_MESSAGE, "--mqtt-port", str(port)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_pushes_a_second_apart_show_each_message_in_time(shared_system: System) -> None:
    """A second message right after the first is shown soon, too: it isn't the next one that brings it."""
    for temperature in (1.0, 2.0, 3.0):
        shared_system.publish("iot/devices/steady/data", json.dumps({"temperature": temperature}))
        eventually(partial(_shows, shared_system, "steady", "temperature", temperature), 10)


def _shows(system: System, device_id: str, key: str, value: object) -> bool:
    return (system.device(device_id) or {}).get(key) == value


def test_readings_come_back_over_http_with_a_cursor(shared_system: System) -> None:
    """25 samples in one message, read back in pages of 10: all there, in order, each once."""
    start_ns = time.time_ns() - 60 * 10**9
    message = [{"ts": start_ns + number, "values": {"temperature": float(number)}} for number in range(25)]
    shared_system.publish("iot/devices/pages/data", json.dumps(message))
    shared_system.eventually_device("pages")
    path = "/api/v1/devices/pages/readings?start=-5m&epoch=ns&limit=10"
    eventually(lambda: len(shared_system.get(path)["data"]) == 10)
    found: list[tuple[int, float]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = shared_system.get(path + (f"&cursor={cursor}" if cursor else ""))
        found += [(reading["timestamp"], reading["values"]["temperature"]) for reading in page["data"]]
        cursor = page["cursor"]
    assert found == [(start_ns + number, float(number)) for number in range(25)]


def test_the_seeds_curl_lines_work(shared_system: System) -> None:
    """Health, devices and items exactly as the documents ask: same paths, bodies, codes and texts."""
    ask = shared_system.request
    assert ask("GET", "/api/v1/health") == (200, {"status": "healthy", "version": "0.1.0"})
    new = {"device_id": "curl_device", "name": "Test Sensor"}
    assert ask("POST", "/api/devices", new) == (201, {"message": "Device added successfully"})
    status, told = ask("POST", "/api/devices", new)
    assert (status, told["error"]) == (400, "Device ID already exists")
    status, item = ask("POST", "/api/v1/items", {"name": "Test Item", "status": "pending"})
    assert (status, item["name"], item["status"], item["quantity"]) == (201, "Test Item", "pending", 0)
    path = f"/api/v1/items/{item['id']}"
    assert item in ask("GET", "/api/v1/items")[1]
    assert ask("GET", path) == (200, item)
    assert ask("PUT", path, {"status": "completed"})[1]["status"] == "completed"
    assert ask("DELETE", path) == (204, None)
    status, told = ask("GET", path)
    assert (status, told["error"]) == (404, "Item not found")
    status, told = ask("POST", "/api/v1/items", {})
    assert (status, told["error"]) == (400, "Name is required")


BAD = {
    "not_json": b"temperature: 23.5",
    "not_utf8": b'{"name": "\xff\xfe"}',
    "empty": b"{}",
    "too_deep": b"[" * 10_000 + b"]" * 10_000,
    "too_large": b'{"note": "' + b"x" * 200_000 + b'"}',
    "device_mismatch": b'{"device_id": "somebody-else", "temperature": 1}',
}
BAD_METRICS = {
    "not_finite": b'{"temperature": NaN, "humidity": 1}',
    "number_too_large": b'{"counter": 9007199254740993, "humidity": 1}',
    "bad_metric_name": b'{"user_id": 7, "humidity": 1}',
    "nested": b'{"where": {"x": 1}, "humidity": 1}',
}


@pytest.mark.parametrize("code", [*BAD, "not_finite (1e999)", *BAD_METRICS])
def test_a_bad_message_is_a_dead_letter_and_the_next_good_one_is_stored(shared_system: System, code: str) -> None:
    """Each kind of bad message is kept with its code; what is good of it, and the next message, is stored."""
    code, _, literal = code.partition(" ")
    device_id = f"bad-{code}-{'1e999' if literal else 'x'}"
    payload = b'{"temperature": 1e999, "humidity": 1}' if literal else {**BAD, **BAD_METRICS}[code]
    topic = f"iot/devices/{device_id}/data"
    shared_system.publish(topic, payload)
    letters = eventually(
        lambda: shared_system.get(f"/api/v1/dead-letters?device_id={device_id}&page=1&per_page=10")["data"]
    )
    assert [letter["code"] for letter in letters] == [code]
    assert letters[0]["kind"] == ("part" if code in BAD_METRICS else "message")
    if code in BAD_METRICS:
        assert shared_system.eventually_device(device_id)["humidity"] == 1.0
    shared_system.publish(topic, b'{"temperature": 20.25}')
    eventually(partial(_shows, shared_system, device_id, "temperature", 20.25), 2.5)


def test_the_books_balance_over_http(shared_system: System) -> None:
    """What came in = stored + spooled + dead-lettered + discarded, in what the API shows."""
    shared_system.publish("iot/devices/books/data", SEED_MESSAGE)
    eventually(lambda: shared_system.get("/api/v1/ingest/books")["total"]["received"] > 0)
    total = shared_system.get("/api/v1/ingest/books")["total"]
    assert total["balanced"] is True
    assert total["received"] == sum(total[name] for name in ("stored", "spooled", "dead_lettered", "discarded"))


def test_a_last_will_makes_a_device_offline(shared_system: System) -> None:
    """What a device says of itself on its status topic holds until it sends data again."""
    shared_system.publish("iot/devices/willing/data", SEED_MESSAGE)
    assert shared_system.eventually_device("willing")["status"] == "online"
    shared_system.publish("iot/devices/willing/status", "offline", retain=True)
    eventually(partial(_shows, shared_system, "willing", "status", "offline"), 2.5)
    shared_system.publish("iot/devices/willing/data", SEED_MESSAGE)
    eventually(partial(_shows, shared_system, "willing", "status", "online"), 2.5)


def test_a_foreign_page_or_host_gets_nothing(shared_system: System) -> None:
    """DNS rebinding and foreign origins are refused, with the setting that would allow them."""
    status, told = shared_system.request("GET", "/api/devices", Host="evil.example")
    assert status == 421
    assert "TELEMETRIO_ALLOWED_HOSTS" in told["message"]
    status, told = shared_system.request("POST", "/api/v1/items", {"name": "x"}, Origin="https://evil.example")
    assert (status, told["code"]) == (403, "origin_not_allowed")


def test_docs_are_served_without_a_cdn(shared_system: System) -> None:
    """OpenAPI describes every route of the first page, and nothing is asked from elsewhere."""
    paths = shared_system.get("/openapi.json")["paths"]
    assert {"/api/devices", "/api/v1/devices/{device_id}/readings", "/api/v1/ingest/books"} <= set(paths)


@pytest.mark.peer("dashboard")
def test_the_dashboard_and_swagger_ui_come_from_here(shared_system: System) -> None:
    """`/` and `/docs` answer with pages whose every script and style is our own."""
    for path in ("/", "/docs"):
        with urllib.request.urlopen(f"{shared_system.http}{path}", timeout=10) as answer:  # noqa: S310 - our own server
            page = answer.read().decode()
            policy = answer.headers["content-security-policy"]
        assert "<script" in page
        assert "http://" not in page.replace("http://www.w3.org/", "")
        assert "https://" not in page
        assert "'self'" in policy
