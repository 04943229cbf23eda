"""Dead letters are kept whole up to a quota; above it they are counted, and the books with them."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.ingest import backlog
from services.ingest.deadletters import MAX_LETTERS_PER_DEVICE, Quota, Usage
from services.ingest.delivery import Message
from services.ingest.group import Gone, Group, Letter, shed_message
from services.ingest.latest import Checkpoint
from services.ingest.outboxfile import Completion, OutboxFile
from shared.values import Flaw


def letter(device_id: str = "d", size: int = 10, code: str = "not_json", entries: int = 1) -> Letter:
    message = Message(f"iot/devices/{device_id}/data", b"x" * size, 7)
    return Letter.of("message", [Flaw("", code)], message, (device_id, 1))._replace(entries=entries)


def group(*letters: Letter) -> Group:
    entries = sum(each.entries for each in letters)
    return Group(letters=list(letters), counts=Counter(received=entries, dead_lettered=entries))


OVERHEAD = 256 + len(b"[]") + len(b"iot/devices/d/data")  # of a row, its paths and its topic


@pytest.fixture
def file(tmp_path: Path) -> Iterator[OutboxFile]:
    opened = OutboxFile(tmp_path / "ingest.outbox", max_letters_bytes=10 * (100 + OVERHEAD))
    opened.open()
    yield opened
    opened.close()


def rows(file: OutboxFile) -> list[tuple[str, str, str, int, int]]:
    found = file.connection.execute("SELECT device_id, kind, code, entries, length(payload) FROM dead ORDER BY letter")
    return found.fetchall()


def test_a_plan_changes_nothing_until_it_is_applied() -> None:
    """A transaction that is rolled back must leave the quota as it was."""
    quota = Quota(1_000)
    plan = quota.plan([letter(size=600)])
    assert quota.kept_bytes == 0
    quota.apply(plan)
    assert quota.kept_bytes == 600 + OVERHEAD


def test_one_device_is_bounded_in_letters_and_the_others_are_not() -> None:
    """The thousand-and-first letter of a device is only counted; another device's first is kept."""
    quota = Quota(10**9)
    plan = quota.plan([letter(size=1) for _ in range(MAX_LETTERS_PER_DEVICE + 5)] + [letter("other")])
    assert len(plan.kept) == MAX_LETTERS_PER_DEVICE + 1
    assert [(key, shed.entries) for key, shed in plan.shed.items()] == [(("d", "not_json"), 5)]
    assert plan.usage["other"] == Usage(1, 10 + OVERHEAD + len("ther"))


def test_a_long_topic_and_a_long_reason_weigh_as_much_as_a_payload() -> None:
    """Whatever of a letter is long fills the disk."""
    quota = Quota(10**9)
    quota.apply(quota.plan([letter()._replace(topic="t" * 60_000, detail="ü" * 1_000)]))
    assert quota.kept_bytes == 256 + len(b"[]") + 10 + 60_000 + 2_000


def test_who_has_no_letter_any_more_is_forgotten() -> None:
    """Names may be made up without end: of those that are done with none is left in memory."""
    quota = Quota(10**9)
    quota.apply(quota.plan([letter(f"d{number}") for number in range(100)]))
    quota.apply(quota.plan([], [Gone(number, letter(f"d{number}")) for number in range(99)]))
    assert list(quota._usage) == ["d99"]
    assert quota.kept_bytes == 10 + OVERHEAD + len("99")


def test_above_the_bound_a_flood_is_one_row_for_each_code(file: OutboxFile) -> None:
    """However many come, and in however many transactions; the books agree with the rows all the while."""
    for _ in range(20):
        file.write(group(*[letter(size=100)] * 5, letter(size=100, code="empty", entries=3)), (), (), None)
        assert file.recount().agrees
    kept = [row for row in rows(file) if row[1] == "message"]
    shed = [row for row in rows(file) if row[1] == "shed"]
    assert sum(row[4] for row in kept) == 1_000
    assert {row[2] for row in shed} == {"not_json", "empty"}
    assert len(shed) == 2
    assert sum(row[3] for row in rows(file)) == 20 * 8


def test_names_that_are_made_up_are_one_row(file: OutboxFile) -> None:
    """Above the bound: a row for each of them would fill the disk with names. A known device still has its own."""
    strangers = [letter(f"no-{number}", 100, "unknown_device")._replace(user_id=None) for number in range(50)]
    file.write(group(*strangers[:20]), (), (), None)
    file.write(group(*strangers[20:], letter("known", size=100)), (), (), None)
    assert [row[:4] for row in rows(file) if row[1] == "shed"] == [
        (None, "shed", "unknown_device", 41),
        ("known", "shed", "not_json", 1),
    ]
    assert file.recount().agrees


def test_a_letter_of_refused_metrics_weighs_nothing_and_is_left_out(file: OutboxFile) -> None:
    """Its sample was stored: there is nothing to count."""
    file.write(group(letter(size=1_000 + 9 * OVERHEAD)), (), (), None)
    file.write(group(letter(size=10, entries=0)), (), (), None)
    assert len(rows(file)) == 1


def test_what_the_store_refuses_is_bounded_too(file: OutboxFile) -> None:
    """Letters of a completion pass through the same quota."""
    file.flush([Completion([1], 0, [letter(size=9_000, entries=0)._replace(entries=1)])], Checkpoint(1, 0, []))
    assert [row[1] for row in rows(file)] == ["shed"]


def test_the_quota_is_counted_anew_at_the_next_start(tmp_path: Path) -> None:
    """Nothing is kept in memory alone."""
    for size in (900, 200):
        file = OutboxFile(tmp_path / "ingest.outbox", max_letters_bytes=1_000 + OVERHEAD)
        file.open()
        file.write(group(letter(size=size)), (), (), None)
        found = [row[1] for row in rows(file)]
        file.close()
    assert found == ["message", "shed"]


def test_letters_do_not_count_towards_the_bound_of_the_spool(tmp_path: Path) -> None:
    """A poisonous device must not stop the fleet: its letters have a bound of their own."""
    file = OutboxFile(tmp_path / "ingest.outbox", max_letters_bytes=10**8)
    file.open()
    empty = file.used_bytes()
    for _ in range(100):
        file.write(group(letter(size=60_000)), (), (), None)
    assert file.used_bytes() - empty < 100 * 6_000
    file.close()


def test_a_shed_row_tells_again_when_it_has_grown(file: OutboxFile) -> None:
    """What was told to the relational database is told again with its new number."""
    for _ in range(2):
        file.write(group(letter(size=9_000)), (), (), None)
        moved = file.connection.execute("SELECT moved, entries FROM dead").fetchall()
        file.connection.execute("UPDATE dead SET moved = 1")
    assert moved == [(0, 2)]
    with pytest.raises(sqlite3.IntegrityError):
        file.connection.execute(
            "INSERT INTO dead SELECT 99, 0, kind, code, detail, device_id, user_id, topic, received_ns, entries, "
            "payload, size, sha256, paths FROM dead"
        )


def test_messages_over_a_rate_are_one_row_that_grows(file: OutboxFile) -> None:
    """Number, first and last time of a device; within its quota of whole letters, and without touching that."""
    for start in (100, 50):  # the clock may jump back: the last time doesn't
        letters = [shed_message(message(start + number), ("d", 1)) for number in range(5)]
        file.write(group(*letters, letter()), (), (), None)
        assert file.recount().agrees
    assert [row for row in rows(file) if row[1] == "shed"] == [("d", "shed", "rate_limited", 10, 0)]
    question = "SELECT detail, received_ns FROM dead WHERE kind = 'shed'"
    detail, received_ns = file.connection.execute(question).fetchone()
    assert detail.endswith("the first at 1970-01-01T00:00:00.000000100Z")
    assert received_ns == 104
    assert len([row for row in rows(file) if row[1] == "message"]) == 2


def message(received_ns: int) -> Message:
    return Message("iot/devices/d/data", b"x" * 1_000, received_ns)


def test_a_letter_that_grew_while_it_was_told_is_told_again(file: OutboxFile) -> None:
    """The database heard of five: what came to it meanwhile is not marked as heard."""
    file.write(group(*[letter(size=9_000)] * 5), (), (), None)
    told = [(row_id, each.entries) for row_id, each in backlog.letters(file.connection, 10)]
    file.write(group(*[letter(size=9_000)] * 3), (), (), None)
    backlog.forget(file.connection, (), told, ())
    assert [each.entries for _, each in backlog.letters(file.connection, 10)] == [8]


def test_paths_that_are_longer_than_their_payload_count_too(tmp_path: Path) -> None:
    """Letters have their own bound, whatever they are made of: they never fill that of the spool."""
    file = OutboxFile(tmp_path / "ingest.outbox", max_letters_bytes=10**8)
    file.open()
    empty = file.used_bytes()
    for _ in range(50):
        file.write(group(letter(size=10)._replace(paths=b"[" + b"1," * 60_000 + b"1]")), (), (), None)
    assert file.used_bytes() - empty < 50 * 12_000
    file.close()
