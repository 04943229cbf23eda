"""Fault 11: ten thousand messages that nobody can store, and one packet that is larger than everything."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.peers.mosquitto import OPEN
from tests.peers.mqtt import Client
from tests.peers.plant import QUEUE, Plant
from tests.peers.waiting import eventually

pytestmark = [pytest.mark.peer("mosquitto"), pytest.mark.peer("influxd"), pytest.mark.faults]

POISON = 10_000
MAX_MIB = 200
MAX_PACKET = 1024 * 1024
# a QoS 1 PUBLISH that announces 268,435,455 bytes, the most that MQTT can say
ENDLESS = b"\x32\xff\xff\xff\x7f\x00\x04huge\x00\x01"


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """A broker with the limit that ingest has too."""
    with Plant(tmp_path_factory.mktemp("plant"), f"{OPEN}{QUEUE}max_packet_size {MAX_PACKET}\n") as running:
        yield running


class Kind(NamedTuple):
    """A payload and the code that it must get. `rare`: so large that a few of them are as many as a thousand."""

    payload: bytes
    code: str
    rare: bool = False


KINDS = [
    Kind(b"temperature=23.5", "not_json"),
    Kind(b"\xff\xfe\x00", "not_utf8"),
    Kind(b'{"temperature": "\xed\xa0\x80"}', "not_utf8"),
    Kind(b"", "not_json"),
    Kind(b"[]", "empty"),
    Kind(b"{}", "empty"),
    Kind(b'{"temperature": NaN}', "not_finite"),
    Kind(b'{"temperature": -Infinity}', "not_finite"),
    Kind(b'{"temperature": 1e999}', "not_finite"),
    Kind(b'{"temperature": %b}' % (b"9" * 5_000), "number_too_large"),
    Kind(b'{"temperature": 1, "timestamp": %b}' % (b"9" * 5_000), "bad_timestamp"),
    Kind(b'{"temperature": "hot"}', "wrong_type"),
    Kind(b'{"temperature": {"of": "nothing"}}', "nested"),
    Kind(b'"' * 60_000, "not_json", rare=True),
    Kind(b'{"a":' * 10_000, "too_deep", rare=True),
    Kind(b"[" * 100_000 + b"]" * 100_000, "too_large", rare=True),
    Kind(b"\x00" * (MAX_PACKET - 200), "too_large", rare=True),
]


def test_ten_thousand_poison_messages_in_a_row(plant: Plant) -> None:
    """Each is accounted for by its code, the next good one is stored, and memory stays where it is."""
    frequent = itertools.cycle(kind for kind in KINDS if not kind.rare)
    rare = itertools.cycle(kind for kind in KINDS if kind.rare)
    sent: Counter[str] = Counter()

    def payload(number: int, _ts_ns: int) -> bytes:
        kind = next(rare if number % 50 == 0 else frequent)
        sent[kind.code] += 1
        return kind.payload

    before = plant.books()
    poisoned = plant.fleet(payload, devices=2)  # so few that most of it is over their quota of dead letters
    plant.publish(poisoned, POISON)
    good = plant.fleet()
    plant.publish(good, 1)
    eventually(lambda: plant.count(good) == 1, 20)
    after = eventually(lambda: moved(before, plant.books(), POISON + 1), 30)
    assert after["dead_lettered"] - before["dead_lettered"] == POISON
    counted: Counter[str] = Counter()
    for _, code, entries, _ in plant.letters(poisoned):
        counted[code] += entries
    assert counted == sent
    print(f"{plant.worker.peak_mib} MiB at most")  # noqa: T201
    assert plant.worker.peak_mib < MAX_MIB


def moved(before: dict[str, int], after: dict[str, int], entries: int) -> dict[str, int] | None:
    return after if after["received"] - before["received"] == entries else None


async def test_a_packet_of_256_mib_is_the_brokers_to_refuse(plant: Plant) -> None:
    """Who announces one is cut off by the broker's limit, and nobody else hears of it."""
    client = await Client.connected(plant.broker.port, "huge")
    client.send(ENDLESS + b"x" * 65_536)
    await client.closed()
    await Client.cut_all()
    good = plant.fleet()
    await asyncio.to_thread(plant.publish, good, 1)
    await asyncio.to_thread(plant.stored_once, good)
