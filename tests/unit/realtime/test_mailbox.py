"""What waits for a slow client, and what it is told about what it missed."""

import asyncio
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from services.realtime.conflation import Conflated
from services.realtime.frames import Interruption, reading_text
from services.realtime.group import Chunk
from services.realtime.mailbox import Mailbox
from services.realtime.protocol import server_messages
from shared.readings import DeviceStatus, Reading
from shared.times import iso_ns

Identity = tuple[str, str]


def chunk(cursor: str, *readings: Reading) -> Chunk:
    return Chunk([reading_text(reading) for reading in readings], cursor)


def made(device_id: str, ts_ns: int, **values: float) -> Reading:
    return Reading(device_id, 1, "m", ts_ns, {**values})


def emptied(mailbox: Mailbox) -> list[dict[str, Any]]:
    frames: list[str] = []
    while taken := mailbox.take():
        frames += taken
    for frame in frames:
        server_messages.validate_json(frame)
    return [orjson.loads(frame) for frame in frames]


def test_what_waits_becomes_one_frame() -> None:
    """Chunks behind one another are one message with the last cursor; a single one is shared as it is."""
    mailbox = Mailbox(10_000, 10_000)
    first = chunk("c1", made("d1", 1, a=1.0))
    mailbox.put(first)
    assert mailbox.take() == [first.frame]
    mailbox.put(chunk("c2", made("d1", 2, a=2.0)))
    mailbox.put(chunk("c3", made("d1", 3, a=3.0)))
    (message,) = emptied(mailbox)
    assert message["cursor"] == "c3"
    assert [one["values"]["a"] for one in message["readings"]] == [2.0, 3.0]
    assert (mailbox.bytes, len(mailbox), mailbox.gaps) == (0, 0, 0)


def test_replies_keep_their_place_among_readings() -> None:
    """A snapshot comes behind the readings that were published before it, and before those published after it."""
    mailbox = Mailbox(10_000, 10_000)
    mailbox.put(chunk("c1", made("d1", 1, a=1.0)))
    mailbox.reply('{"type":"pong"}')
    mailbox.put(chunk("c2", made("d1", 2, a=2.0)))
    assert [message["type"] for message in emptied(mailbox)] == ["readings", "pong", "readings"]


def test_a_full_mailbox_keeps_the_newest_and_says_what_it_dropped() -> None:
    """The gap names devices, times, count, and the cursor of the last message before it; the newest values follow."""
    mailbox = Mailbox(300, 10_000)
    mailbox.put(chunk("c1", made("d1", 1, a=1.0)))
    mailbox.take()
    for number in range(2, 6):
        mailbox.put(chunk(f"c{number}", made("d1", number, a=float(number)), made("d2", number, b=float(number))))
    mailbox.put(chunk("c6", made("d3", 6, a=6.0)))
    gap, *rest = emptied(mailbox)
    assert gap["type"] == "gap"
    assert (gap["since"], gap["reason"]) == ("c1", "slow_client")
    kept = {one["device_id"]: one["values"] for message in rest for one in message["readings"]}
    assert kept == {"d1": {"a": 5.0}, "d2": {"b": 5.0}, "d3": {"a": 6.0}}
    assert mailbox.cursor == rest[-1]["cursor"] == "c6"
    assert (gap["devices"], gap["dropped"]) == (["d1", "d2"], 6)
    assert (gap["from"], gap["to"]) == (iso_ns(2), iso_ns(4))


def test_what_overflowed_twice_is_one_gap() -> None:
    """Before a replay and during it: the newest of both are kept, and everything else is counted once."""
    mailbox = Mailbox(400, 10_000)
    mailbox.cursor = "start"
    for number in range(1, 6):
        mailbox.put(chunk(f"c{number}", made("d1", number, a=float(number))))
    mailbox.hold("c5")
    for number in range(6, 11):
        mailbox.put(chunk(f"c{number}", made("d2", number, a=float(number))))
    mailbox.release()
    for number in range(11, 16):
        mailbox.put(chunk(f"c{number}", made("d1", number, b=float(number))))
    gap, *rest = emptied(mailbox)
    shown = [one for message in rest for one in message["readings"]]
    assert {(one["device_id"], *one["values"].items()) for one in shown} >= {
        ("d1", ("a", 5.0)),
        ("d2", ("a", 10.0)),
        ("d1", ("b", 15.0)),
    }
    assert (gap["since"], gap["devices"], rest[-1]["cursor"]) == ("start", ["d1", "d2"], "c15")
    assert gap["dropped"] + len(shown) == 15


def test_a_reading_is_dropped_once() -> None:
    """Whichever of its metrics go one by one, before and after two overflows are made one."""
    earlier, later = Conflated("c0"), Conflated("c1")
    earlier.interrupt(Interruption("c0", iso_ns(1), iso_ns(1)))
    rows = (made("d1", 2, a=2.0, b=2.0), made("d1", 3, a=3.0), made("d1", 4, b=4.0))
    first, second, third = ([orjson.loads(reading_text(row))] for row in rows)
    later.add(first, "c2")
    later.add(second, "c3")
    merged = earlier.absorb(later)
    merged.add(third, "c4")
    assert (merged.dropped, merged.cursor, merged.devices) == (1, "c4", {"d1"})


def test_late_readings_never_take_the_place_of_newer_ones() -> None:
    """A full mailbox keeps the value with the newest time of its own, not the one that came last."""
    mailbox = Mailbox(10, 10_000)
    mailbox.cursor = "start"
    mailbox.put(chunk("c1", made("d1", 9, a=9.0), made("d1", 5, a=5.0)))
    mailbox.put(chunk("c2", made("d1", 7, a=7.0, b=7.0)))
    gap, readings = emptied(mailbox)
    assert [one["values"] for one in readings["readings"]] == [{"b": 7.0}, {"a": 9.0}]
    assert (gap["dropped"], gap["from"], gap["to"]) == (2, iso_ns(5), iso_ns(7))


def test_replies_survive_conflation() -> None:
    """An answer is never merged away, and comes before what is left of the readings around it."""
    mailbox = Mailbox(200, 10_000)
    mailbox.cursor = "start"
    mailbox.put(chunk("c1", made("d1", 1, a=1.0)))
    mailbox.reply('{"type":"pong"}')
    mailbox.put(chunk("c2", made("d1", 2, a=2.0)))
    mailbox.put(chunk("c3", made("d1", 3, a=3.0)))
    assert [message["type"] for message in emptied(mailbox)] == ["pong", "gap", "readings"]


def test_no_gap_is_told_where_nothing_was_dropped() -> None:
    """Merging readings of different devices loses nothing, so nothing is said."""
    mailbox = Mailbox(100, 100_000)
    mailbox.put(chunk("c1", *(made(f"d{number}", 1, a=1.0) for number in range(20))))
    (message,) = emptied(mailbox)
    assert len(message["readings"]) == 20
    assert mailbox.gaps == 0


def test_the_newest_status_of_each_device_survives() -> None:
    """In a full mailbox each device's last status is kept, behind the readings."""
    mailbox = Mailbox(500, 10_000)
    for number in range(20):
        mailbox.tell(DeviceStatus("d1", 1, "online", number), f'{{"type":"pong","n":{number}}}')
        mailbox.put(chunk("c", made("d1", number, a=1.0)))
    frames = []
    while taken := mailbox.take():
        frames += taken
    assert '{"type":"pong","n":19}' in frames
    assert len(frames) < 20


def test_a_mailbox_that_cannot_be_conflated_gives_up() -> None:
    """More devices than fit end in `overflowed` with nothing kept: memory stays bounded whatever the fleet."""
    mailbox = Mailbox(1_000, 1_000)
    for number in range(100):
        mailbox.put(chunk("c", made(f"d{number}", 1, a=1.0)))
        assert mailbox.bytes <= 2_000
    assert mailbox.overflowed
    assert mailbox.take() == []


async def test_a_client_that_reads_no_answers_may_ask_no_more() -> None:
    """`replied` waits until every reply has been taken."""
    mailbox = Mailbox(1_000, 1_000)
    await mailbox.replied()
    mailbox.reply('{"type":"pong"}')
    waiting = asyncio.create_task(mailbox.replied())
    await asyncio.sleep(0)
    assert not waiting.done()
    await mailbox.filled()
    mailbox.take()
    await waiting


fed = st.lists(
    st.tuples(
        st.sampled_from(["d1", "d2"]),
        st.integers(0, 30),
        st.sampled_from([("a",), ("a", "b"), ("b", "c")]).map(lambda names: dict.fromkeys(names, 1.0)),
        st.sampled_from([False] * 9 + [True]),
    ),
    min_size=5,
    max_size=60,
    unique_by=lambda one: one[:2],
)


@given(fed, st.integers(100, 1_000))
def test_every_reading_is_delivered_whole_or_lies_in_a_gap(
    readings: list[tuple[str, int, dict[str, float], bool]], limit: int
) -> None:
    """What did not arrive whole is counted, named and inside the times of a gap; the newest values always arrive."""
    mailbox = Mailbox(limit, 1_000_000)
    mailbox.cursor = "start"
    messages: list[dict[str, Any]] = []
    sent: dict[Identity, dict[str, float]] = {}
    newest: dict[tuple[str, str], tuple[int, float]] = {}
    for place, (device_id, ts_ns, values, reads) in enumerate(readings):
        sent[device_id, iso_ns(ts_ns)] = values
        for metric, value in values.items():
            if newest.get((device_id, metric), (-1, 0.0))[0] < ts_ns:
                newest[device_id, metric] = (ts_ns, value)
        mailbox.put(chunk(f"c{place}", Reading(device_id, 1, "m", ts_ns, {**values})))
        if reads:
            messages += emptied(mailbox)
    messages += emptied(mailbox)
    arrived = [one for message in messages if message["type"] == "readings" for one in message["readings"]]
    assert len({(one["device_id"], one["timestamp"]) for one in arrived}) == len(arrived)
    got = {(one["device_id"], one["timestamp"]): one["values"] for one in arrived}
    missed = [identity for identity, values in sent.items() if got.get(identity) != values]
    gaps = [message for message in messages if message["type"] == "gap"]
    assert sum(gap["dropped"] for gap in gaps) == len(missed)
    for device_id, timestamp in missed:
        assert any(device_id in gap["devices"] and gap["from"] <= timestamp <= gap["to"] for gap in gaps)
    for (device_id, metric), (ts_ns, value) in newest.items():
        assert got[device_id, iso_ns(ts_ns)][metric] == value


def test_what_is_held_follows_the_replies() -> None:
    """Readings, statuses and holes of the feed wait behind a history, whatever comes first; then in their order."""
    mailbox = Mailbox(10_000, 10_000)
    mailbox.cursor = "asked"
    mailbox.hold("place")
    mailbox.interrupt(Interruption("place", iso_ns(1), iso_ns(2)))
    mailbox.tell(DeviceStatus("d1", 1, "online", 1), '{"type":"pong"}')
    mailbox.put(chunk("c1", made("d1", 3, a=3.0)))
    assert mailbox.take() == []
    assert mailbox.holding
    mailbox.reply('{"type":"caught_up","id":1,"cursor":"place"}')
    mailbox.release()
    assert [message["type"] for message in emptied(mailbox)] == ["caught_up", "gap", "pong", "readings"]
    assert (mailbox.cursor, mailbox.gaps) == ("c1", 1)


def test_what_is_held_is_bounded_and_says_so() -> None:
    """Behind a slow history readings are conflated too; the gap begins where live begins."""
    mailbox = Mailbox(300, 10_000)
    mailbox.hold("place")
    for number in range(20):
        mailbox.put(chunk(f"c{number}", made("d1", number, a=float(number))))
        mailbox.interrupt(Interruption(f"c{number}", iso_ns(1), iso_ns(30)))
    assert mailbox.bytes <= 1_000
    mailbox.reply('{"type":"caught_up","id":1,"cursor":"place"}')
    mailbox.release()
    for number in range(20, 30):
        mailbox.put(chunk(f"c{number}", made("d1", number, a=float(number))))
    told = emptied(mailbox)
    assert [message["type"] for message in told[:3]] == ["caught_up", "gap", "readings"]
    assert (told[1]["since"], told[1]["devices"], told[-1]["cursor"]) == ("place", "*", "c29")


def test_a_hole_among_conflated_readings_is_a_gap_that_counts() -> None:
    """Also where nothing was dropped: the client is told of it."""
    mailbox = Mailbox(200, 10_000)
    mailbox.cursor = "place"
    mailbox.interrupt(Interruption("c0", iso_ns(1), iso_ns(2)))
    for number in range(3):
        mailbox.put(chunk(f"c{number}", made(f"d{number}", number, a=1.0)))
    assert [message["type"] for message in emptied(mailbox)] == ["gap", "readings"]
    assert (mailbox.gaps, mailbox.dropped) == (1, 0)
