"""Groups and letters: what is written down, and who is told."""

from functools import partial

import orjson

from services.ingest.delivery import Delivery, Message
from services.ingest.group import Group, Letter, refused_reading
from services.ingest.settings import IngestSettings
from shared.books import balanced
from shared.readings import Reading, decode_readings, encode_readings
from shared.values import Flaw
from tests.fakes.ingest import NOW


def reading(ts_ns: int) -> Reading:
    return Reading("d1", 1, "m", ts_ns, {"a": 0.5, "s": "é", "b": True})


def test_the_body_is_the_one_encoding_of_all_readings() -> None:
    """Whichever messages they came with; without any, an empty list."""
    group = Group()
    assert group.encode() == b"[]"
    batches = [[reading(1), reading(2)], [reading(3)]]
    for batch in batches:
        group.add_readings(batch)
    assert group.encode() == encode_readings([reading(1), reading(2), reading(3)])
    assert decode_readings(group.encode()) == group.readings


def test_everybody_is_told_in_the_order_in_which_they_spoke() -> None:
    """Each once, with how many of their messages it was."""
    told: list[tuple[int, int]] = []

    def tell(number: int, messages: int) -> None:
        told.append((number, messages))

    group = Group()
    for number in range(5):
        group.take(Delivery([("t", b"")] * 3, NOW, partial(tell, number)), number)
    group.acknowledge()
    assert told == [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]


def test_counts_of_a_commit_balance() -> None:
    """Accepted and refused entries move the books together."""
    group = Group()
    group.count_commit(3, 2)
    group.count_commit(0, 1)
    assert balanced(group.counts)
    assert group.counts == {"received": 6, "spooled": 3, "dead_lettered": 3}


def test_a_letter_holds_what_every_database_can_hold() -> None:
    """No NUL, no detail without end; the first flaw names it, all paths are kept."""
    flaws = [Flaw("", "not_json", "x\x00" * 5_000), Flaw("a", "nested")]
    letter = Letter.of("message", flaws, Message("t\x00", b"\x00raw", NOW), ("d1", 1))
    assert (letter.code, letter.topic, letter.payload, letter.size) == ("not_json", "t?", b"\x00raw", 4)
    assert len(letter.detail) == 1_024
    assert "\x00" not in letter.detail
    assert orjson.loads(letter.paths) == [["a", "nested"]]


def test_a_reading_that_the_store_refused_can_be_driven_again() -> None:
    """Its letter carries our own encoding of it."""
    letter = refused_reading(reading(7), "type conflict" * 1_000)
    assert decode_readings(letter.payload) == [reading(7)]
    assert (letter.kind, letter.entries, letter.user_id, len(letter.detail)) == ("reading", 1, 1, 1_024)


def test_the_settings_of_ingest_have_safe_defaults() -> None:
    """Unknown devices are refused unless somebody says otherwise; the outbox has a bound."""
    fields = IngestSettings.model_fields
    assert fields["unknown_devices"].default == "refuse"
    assert fields["max_outbox_mib"].default == 2_048
