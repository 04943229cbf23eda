"""What people ask of ingest over HTTP, between a real api, a real broker and a real worker."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.topics import data_topic
from tests.peers.api import ApiProcess, Told
from tests.peers.site import Site
from tests.peers.waiting import eventually

pytestmark = [pytest.mark.peer("mosquitto"), pytest.mark.faults]

LETTERS = "/api/v1/dead-letters"
SAMPLE = b'{"temperature": 1, "ts": 1767225600}'


class Plant:
    """A worker and an api on the same files, and their broker."""

    def __init__(self, folder: Path) -> None:
        self.site = Site(folder)
        self.api = ApiProcess(folder / "data", TELEMETRIO_MQTT_URL=self.site.broker.url)

    def start(self) -> None:
        self.site.start()
        self.api.start()
        self.api.ready()
        eventually(lambda: self.api.dependency("broker") == "ok", 20)

    def stop(self) -> None:
        self.api.stop()
        self.site.stop()

    def refused(self, device_id: str, *payloads: bytes) -> list[Any]:
        """The letters of a device that nobody has added, once people see all of them."""
        self.site.say(data_topic(device_id), *payloads)
        return eventually(lambda: found if len(found := self.letters(device_id)) == len(payloads) else None, 20)

    def letters(self, device_id: str) -> list[Any]:
        return list(self.api.get(f"{LETTERS}?device_id={device_id}")["data"])

    def add(self, device_id: str) -> None:
        assert self.api.post("/api/devices", {"device_id": device_id, "name": device_id}).status == 201

    def stored(self, device_id: str, number: int) -> None:
        """Wait until the api shows so many readings, each once."""

        def told() -> bool:
            return len(self.api.get(f"/api/v1/devices/{device_id}/readings?start=0")["data"]) == number

        eventually(told, 20)
        eventually(lambda: not self.letters(device_id), 20)
        assert self.site.worker.get("/books")["balanced"]

    def command(self, action: str, **chosen: Any) -> Told:
        return self.api.post(f"{LETTERS}/{action}", chosen)


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """One for all tests, each with a device of its own."""
    made = Plant(tmp_path_factory.mktemp("plant"))
    try:
        made.start()
        yield made
    finally:
        made.stop()


def test_a_letter_is_driven_again_over_http_and_another_discarded(plant: Plant) -> None:
    """Once its device was added, the one is stored; the other stays what it is, until it is given up."""
    plant.refused("d1", SAMPLE, b"no json")
    plant.add("d1")

    def driven() -> bool:
        """Until the worker has read the registry again, they stay."""
        told = plant.command("redrive", device_id=["d1"])
        assert (told.status, told.json["commanded"] in {1, 2}) == (202, True)
        return len(plant.letters("d1")) == 1

    eventually(driven, 20)
    (letter,) = plant.letters("d1")
    assert letter["payload_text"] == "no json"
    assert plant.command("discard", ids=[letter["id"]]).status == 202
    plant.stored("d1", 1)
    assert plant.site.book("discarded") == 1


def test_a_device_that_is_added_over_http_is_known_to_the_worker_at_once(plant: Plant) -> None:
    """The registry is read every 30 s anyway: it is the notice that makes it a matter of moments."""
    plant.refused("d2", SAMPLE)
    plant.add("d2")
    plant.site.says_until(data_topic("d2"), SAMPLE, "stored", above=plant.site.book("stored"), within_s=6)


def test_a_command_waits_for_a_worker_that_is_down(plant: Plant) -> None:
    """The broker keeps it, and it is carried out once when the worker is back, however often it was asked."""
    (letter,) = plant.refused("d3", SAMPLE)
    plant.add("d3")
    before = plant.site.book("redriven")
    plant.site.worker.stop()
    for _ in range(2):
        assert plant.command("redrive", ids=[letter["id"]]).status == 202
    plant.site.worker.start()
    plant.stored("d3", 1)
    assert plant.site.book("redriven") == before + 1


def test_a_command_that_nobody_would_hear_is_not_said_to_be_given(plant: Plant) -> None:
    """503 with when to come back: for a worker that the broker never saw, and while there is no broker."""
    (letter,) = plant.refused("d4", SAMPLE)
    plant.site.change("UPDATE dead_letters SET source = 'elsewhere' WHERE device_id = 'd4'")
    refused = plant.command("redrive", ids=[letter["id"]])
    assert (refused.status, refused.json["code"]) == (503, "ingest_unavailable")
    assert "elsewhere" in refused.json["message"]
    plant.site.change("UPDATE dead_letters SET source = 'ingest' WHERE device_id = 'd4'")

    plant.site.broker.stop()
    away = plant.command("redrive", ids=[letter["id"]])
    assert (away.status, away.json["code"]) == (503, "ingest_unavailable")
    assert int(away.headers["Retry-After"]) > 0
    eventually(lambda: plant.api.dependency("broker") == "down", 20)
    assert plant.api.ask("GET", "/readyz").status == 200
    plant.add("d4")

    plant.site.broker.start()
    eventually(lambda: plant.api.dependency("broker") == "ok", 60)
    plant.site.ready()

    def driven() -> bool:
        """The worker heard of nothing meanwhile, and asks when it is back."""
        plant.command("redrive", ids=[letter["id"]])
        return not plant.letters("d4")

    eventually(driven, 20)
    plant.stored("d4", 1)
