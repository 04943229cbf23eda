"""Messages that wait for judgement: kept as they came, in order, and checked when they are read back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.ingest import pending
from services.ingest.errors import OutboxDamaged
from services.ingest.group import MAX_BYTES, Group
from services.ingest.outboxfile import OutboxFile
from tests.fakes.ingest import NOW, delivery


@pytest.fixture
def file(tmp_path: Path) -> Iterator[OutboxFile]:
    opened = OutboxFile(tmp_path / "ingest.outbox")
    opened.open()
    yield opened
    opened.close()


def keep(file: OutboxFile, *payloads: bytes) -> None:
    group = Group()
    for number, payload in enumerate(payloads):
        group.hold(delivery(f"d{number}", payload, NOW + number).one)
    file.write(group, (), (), None)


def test_they_are_kept_as_they_came(file: OutboxFile) -> None:
    """Topic, bytes and time of receipt; each is an entry of the spool, and nothing is announced."""
    keep(file, b"\xff\x00", b"", b"{}")
    assert [tuple(each)[1:] for each in pending.oldest(file.connection, 10_000)] == [
        ("iot/devices/d0/data", b"\xff\x00", NOW),
        ("iot/devices/d1/data", b"", NOW + 1),
        ("iot/devices/d2/data", b"{}", NOW + 2),
    ]
    recount = file.recount()
    assert recount.agrees
    assert (recount.spooled, recount.books["received"], recount.books["messages"]) == (3, 3, 3)
    deliveries = [delivery("d0", b"\xff\x00").one, delivery("d1", b"").one, delivery("d2", b"{}").one]
    assert pending.used_bytes(file.connection) == sum(map(pending.size, deliveries)) > 3 * 64
    assert file.rows(0, 100) == []


def test_so_many_are_read_as_memory_allows(file: OutboxFile) -> None:
    """By what they take, and one at least: a million empty messages are no less than as many others."""
    keep(file, b"x" * 60, b"", b"x" * 1)
    first, second, third = map(pending.size, pending.oldest(file.connection, 10_000))
    two, three = first + second, first + second + third
    for max_bytes, count in ((1, 1), (two - 1, 1), (two, 2), (three - 1, 2), (three, 3)):
        assert len(pending.oldest(file.connection, max_bytes)) == count


def test_one_that_was_damaged_is_never_judged(file: OutboxFile) -> None:
    """Its checksum says so."""
    keep(file, b"sound")
    file.connection.execute("UPDATE pending SET payload = CAST('sounds' AS BLOB)")
    with pytest.raises(OutboxDamaged, match="pending message 1"):
        pending.oldest(file.connection, 100)


def test_a_group_is_full_of_what_it_keeps() -> None:
    """A transaction stays small."""
    group = Group()
    while not group.full:
        group.hold(delivery("d", b"x" * 60_000).one)
    assert len(group.held) == MAX_BYTES // 60_000 + 1
