"""`telemetrio api` between servers that come and go, and asked to stop in the middle of its work."""

import threading
from collections import Counter
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.peers.api import ApiProcess
from tests.peers.influxdb import Influxd
from tests.peers.mosquitto import Mosquitto
from tests.peers.postgres import Cluster
from tests.peers.waiting import eventually

pytestmark = pytest.mark.faults

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiProcess]:
    """On files, with no broker anywhere."""
    with ApiProcess(tmp_path / "data") as running:
        yield running


@pytest.mark.peer("mosquitto", "influxd", "postgres")
def test_it_starts_without_any_of_its_servers_and_finds_them_when_they_come(tmp_path: Path, cluster: Cluster) -> None:
    """Readiness tells each by name, requests say when to come back, and nobody has to restart it."""
    cluster.stop()
    broker, influxd = Mosquitto(tmp_path), Influxd(tmp_path / "influxd")
    where = {"TELEMETRIO_DATABASE_URL": cluster.url, "TELEMETRIO_INFLUXDB_URL": influxd.url}
    try:
        with ApiProcess(tmp_path / "data", **where, TELEMETRIO_MQTT_URL=broker.url) as api:
            for name in ("database", "store", "broker"):
                eventually(lambda name=name: api.dependency(name) == "down", 20)  # type: ignore[misc]
            told = api.ask("GET", "/readyz")
            assert (told.status, told.json["ready"]) == (503, False)
            assert {name: seen["needed"] for name, seen in told.json["dependencies"].items()} == {
                "database": True,
                "store": False,
                "broker": False,
            }
            away = api.ask("GET", "/api/devices")
            assert (away.status, away.json["code"]) == (503, "database_unavailable")
            assert int(away.headers["Retry-After"]) > 0
            assert api.ask("GET", "/api/nothing").status == 404
            assert api.get("/api/v1/health")["status"] == "healthy"

            broker.start()
            influxd.start()
            influxd.query("CREATE DATABASE telemetrio")
            cluster.start()
            for name in ("database", "store", "broker"):
                eventually(lambda name=name: api.dependency(name) == "ok", 60)  # type: ignore[misc]
            assert api.get("/api/devices") == []
            assert api.post("/api/devices", {"device_id": "d1", "name": "n"}).status == 201
            assert api.get("/api/v1/devices/d1/readings") == {"data": [], "cursor": None}
            assert 'telemetrio_api_requests_total{method="GET",route="/api/devices",status="503"} 1.0' in api.metrics
            assert api.stop() == 0
    finally:
        influxd.stop()
        broker.stop()


class Load:
    """Clients that keep their connection and write one item after the other, each remembered once it is answered."""

    def __init__(self, port: int, clients: int = 4) -> None:
        self._port = port
        self.answers: Counter[int] = Counter()
        self.added: set[str] = set()
        self.broken: list[str] = []
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(clients)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(20)

    def _run(self, client: int) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=10)
        for number in range(1_000_000):
            if self._stopping.is_set():
                break
            name = f"{client}-{number}"
            try:
                connection.request("POST", "/api/v1/items", orjson.dumps({"name": name}), JSON)
                answer = connection.getresponse()
                told = orjson.loads(answer.read())
            except (OSError, HTTPException) as error:
                self.broken.append(repr(error))
                break
            self.answers[answer.status] += 1
            self._look(answer.status, told, name)
            if answer.status != 201:
                break
        connection.close()

    def _look(self, status: int, told: Any, name: str) -> None:
        if status == 201:
            self.added.add(name)
        elif (status, told["code"]) != (503, "restarting"):
            self.broken.append(str(told))


def test_a_stop_in_the_middle_of_its_work_cuts_nobody_off(api: ApiProcess, tmp_path: Path) -> None:
    """Every request is answered to its end, or told to come back; what was answered is there; exit code 0 in time."""
    api.ready()
    load = Load(api.port)
    load.start()
    try:
        eventually(lambda: load.answers[201] > 50, 20)
        api.terminate()
        assert api.wait(12) == 0
    finally:
        load.join()
    # a connection that is idle between two requests may be closed under the second one: HTTP can't tell it sooner
    closed = ("ConnectionResetError", "RemoteDisconnected", "BrokenPipeError", "ConnectionRefusedError")
    assert [said for said in load.broken if not said.startswith(closed)] == []
    assert set(load.answers) <= {201, 503}
    api.start()
    api.ready()
    assert {item["name"] for item in api.get("/api/v1/items")} >= load.added


def test_a_client_that_never_ends_its_request_does_not_hold_up_the_end(api: ApiProcess) -> None:
    """A body that does not come, and an answer that nobody reads, end with the process: exit code 0 in time."""
    api.ready()
    slow = HTTPConnection("127.0.0.1", api.port, timeout=10)
    slow.putrequest("POST", "/api/v1/items")
    slow.putheader("Content-Type", "application/json")
    slow.putheader("Content-Length", "1000")
    slow.endheaders(b'{"name": ')
    idle = HTTPConnection("127.0.0.1", api.port, timeout=10)
    idle.request("GET", "/healthz")
    idle.getresponse().read()
    assert api.stop() == 0
    slow.close()
    idle.close()
