"""The acceptor: what becomes of each delivery, and when a group is closed."""

from itertools import pairwise
from pathlib import Path

import orjson
import pytest

from services.ingest.acceptor import Acceptor
from services.ingest.delivery import Delivery
from services.ingest.group import MAX_BYTES, MAX_READINGS, Group
from services.ingest.registry import Registry
from shared.profiles import DEFAULT_PROFILE
from tests.fakes.ingest import NOW, delivery, registering, settings_in


def accepted(*deliveries: Delivery, registry: Registry | None = None, **settings: object) -> Group:
    acceptor = Acceptor(registering() if registry is None else registry, settings_in(Path(), **settings))
    (group,) = acceptor.groups(deliveries)
    return group


def codes(group: Group) -> list[tuple[str, str, str | None, int | None, int]]:
    return [(each.kind, each.code, each.device_id, each.user_id, each.entries) for each in group.letters]


def test_a_good_message_is_readings_of_its_owner() -> None:
    """Measurement by the profile, owner by the registry, time by the device."""
    group = accepted(delivery("d1", {"ts": NOW - 1, "temperature": 20}))
    assert [tuple(reading) for reading in group.readings] == [("d1", 1, "sensor_data", NOW - 1, {"temperature": 20.0})]
    assert group.letters == []
    assert group.registered == ["d1"]
    assert orjson.loads(group.encode()) == [["d1", 1, "sensor_data", NOW - 1, {"temperature": 20.0}]]


def test_samples_without_a_time_never_become_one_point() -> None:
    """Receipt times only ever increase, also when the clock of this host jumps back a little."""
    now = [NOW, NOW, NOW - 200 * 10**9, NOW + 5]
    group = accepted(*(delivery("d1", [{"a": 1}, {"a": 2}], received_ns) for received_ns in now))
    times = [reading.ts_ns for reading in group.readings]
    assert all(before < after for before, after in pairwise(times))
    assert times[0] == NOW


def test_a_clock_that_was_far_ahead_and_is_set_right_is_believed() -> None:
    """Who has no time of its own is not stamped for a year with that of one moment; who has one is not refused."""
    ahead = NOW + 365 * 86_400 * 10**9
    flat, nested = {"a": 1}, [{"a": 1}, {"a": 2}]
    told = [(flat, ahead), (flat, NOW), (nested, NOW), ({"ts": NOW, "b": 1}, NOW), (flat, NOW + 5)]
    group = accepted(*(delivery("d1", content, received_ns) for content, received_ns in told))
    assert [reading.ts_ns for reading in group.readings] == [ahead, NOW, NOW + 1, NOW + 2, NOW, NOW + 5]
    assert group.letters == []


def test_a_bad_message_is_a_letter_with_its_bytes_and_reason() -> None:
    """The first 64 KiB, the length and the digest of the whole, every path that was refused."""
    huge = b"x" * 100_000
    group = accepted(delivery("d1", huge), delivery("d1", [{"a": []}, {"b": 1, "c": []}]))
    whole, part = group.letters
    assert (whole.kind, whole.code, whole.entries, len(whole.payload), whole.size) == (
        *("message", "too_large", 1, 65_536, 100_000),
    )
    assert len(whole.sha256) == 64
    assert (part.kind, part.code, part.entries) == ("part", "nested", 1)
    assert orjson.loads(part.paths) == [["[0].a", "nested"], ["[1].c", "nested"]]
    assert group.counts["metrics_refused"] == 1


def test_a_flaw_in_an_accepted_sample_weighs_nothing() -> None:
    """A refused metric is told by a letter of kind `part` with 0 entries: its sample is stored."""
    group = accepted(delivery("d1", {"a": 1, "b": []}))
    assert codes(group) == [("part", "nested", "d1", 1, 0)]
    assert (group.counts["received"], group.counts["spooled"], group.counts["dead_lettered"]) == (1, 1, 0)


def test_a_repeat_is_acknowledged_and_counted_and_nothing_else() -> None:
    """It is on disk already: no entry, no letter, whether or not it carries its own time."""
    again = delivery("d1", {"temperature": 20})._replace(repeated={0})
    group = accepted(delivery("d1", {"temperature": 20}), again)
    assert (len(group.readings), len(group.acks)) == (1, 2)
    assert (group.counts["duplicates"], group.counts["received"], group.counts["messages"]) == (1, 1, 1)


def test_topics_that_are_no_devices_are_counted_and_dropped() -> None:
    """They are acknowledged like all others, and no entry."""
    group = accepted(Delivery([("somewhere/else", b"{}")], NOW, print))
    assert (group.counts["ignored"], group.counts["received"], group.letters) == (1, 0, [])
    assert len(group.acks) == 1


def test_the_prefix_of_devices_topics_is_the_settings_word() -> None:
    """What lies under another one is nobody's."""
    topics = ("plant/7/ours/data", "iot/devices/theirs/data")
    group = accepted(*(Delivery([(topic, b'{"a": 1}')], NOW, print) for topic in topics), device_prefix="plant/7")
    assert ([each.device_id for each in group.readings], group.counts["ignored"]) == (["ours"], 1)


@pytest.mark.parametrize("level", ["a b", "-a", "a" * 129, "nul\x00"])
def test_a_bad_device_id_is_nobodys_letter(level: str) -> None:
    """An admin's business; every database can hold it."""
    group = accepted(delivery(level, {"a": 1}))
    assert codes(group) == [("message", "bad_device_id", None, None, 1)]
    assert "\x00" not in group.letters[0].topic + group.letters[0].detail


def test_an_unknown_device_is_refused_where_the_settings_say_so() -> None:
    """With its id, so that somebody can add it."""
    registry = Registry("refuse", DEFAULT_PROFILE)
    registry.replace([])
    group = accepted(delivery("d1", {"a": 1}), registry=registry)
    assert codes(group) == [("message", "unknown_device", "d1", None, 1)]
    assert group.registered == []


def test_an_unknown_device_is_not_judged_before_the_registry_was_read() -> None:
    """Only the copy was asked: its message is kept as one entry, and those of known devices go on."""
    registry = Registry("refuse", DEFAULT_PROFILE)
    registry.learn([("known", 1, "open", False)])
    deliveries = [delivery("new", b"whatever"), delivery("known", {"a": 1}), delivery("new", b"online", kind="status")]
    group = accepted(*deliveries, registry=registry)
    assert [each[:2] for each in group.held] == [deliveries[0].one[:2], deliveries[2].one[:2]]
    assert NOW == group.held[0].received_ns < group.held[1].received_ns < NOW + 10_000  # none has another's time
    assert ([each.device_id for each in group.readings], group.status, group.letters) == (["known"], [], [])
    assert (group.counts["received"], group.counts["spooled"], group.counts["messages"]) == (3, 3, 3)
    assert not registry.certain


def test_a_disabled_device_is_refused_for_its_owner() -> None:
    """Its data and its status."""
    registry = registering()
    registry.learn([("d1", 7, "open", True)])
    group = accepted(delivery("d1", {"a": 1}), delivery("d1", b"online", kind="status"), registry=registry)
    assert codes(group) == [("message", "device_disabled", "d1", 7, 1)] * 2


def test_what_a_device_says_beyond_its_rate_is_only_counted() -> None:
    """Its data and its status, one entry each, for its owner; it alone, and never a disabled one's other reason."""
    registry = registering()
    registry.learn([("flood", 7, "open", False), ("gone", 7, "open", True)])
    flood = [delivery("flood", {"a": number}, received_ns=NOW + number) for number in range(4)]
    status = delivery("flood", b"online", kind="status")
    rate = {"device_messages_per_s": 1, "device_burst": 2}
    group = accepted(*flood, status, delivery("calm", {"a": 1}), delivery("gone", {"a": 1}), registry=registry, **rate)
    assert [each.values for each in group.readings] == [{"a": 0.0}, {"a": 1.0}, {"a": 1.0}]
    assert codes(group) == [
        *([("shed", "rate_limited", "flood", 7, 1)] * 3),
        ("message", "device_disabled", "gone", 7, 1),
    ]
    assert group.status == []
    assert (group.counts["received"], group.counts["spooled"], group.counts["dead_lettered"]) == (7, 3, 4)
    assert group.counts["messages"] == 7


def test_another_owners_device_keeps_its_owner_and_profile() -> None:
    """The payload can't say whose it is."""
    registry = registering()
    registry.learn([("k1", 7, "knee", False)])
    group = accepted(delivery("k1", {"x": 1, "user_id": 1, "temperature": 5}), registry=registry)
    (reading,) = group.readings
    assert (reading.user_id, reading.measurement, reading.values) == (7, "knee_data", {"x": 1.0})


def test_the_window_is_the_settings_word() -> None:
    """Too old, too far ahead; with no max_age nothing is too old."""
    times = [{"ts": NOW + seconds * 10**9, "a": 1} for seconds in (-11, -10, 5, 6)]
    assert len(accepted(delivery("d1", times), max_age_s=10, max_ahead_s=5).readings) == 2
    assert len(accepted(delivery("d1", times), max_ahead_s=5).readings) == 3


def test_samples_of_one_moment_are_counted_as_overwritten() -> None:
    """They merge in the store: not lost without a word."""
    group = accepted(delivery("d1", [{"ts": NOW, "a": 1}, {"ts": NOW, "a": 2}, {"ts": NOW - 1, "a": 3}]))
    assert group.counts["overwritten"] == 1


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        (b"online", "online"),
        (b" Offline\n", "offline"),
        (b'"online"', "online"),
        (b'{"status": "OFFLINE", "why": 1}', "offline"),
    ],
)
def test_a_status_is_a_word_or_an_object(payload: bytes, status: str) -> None:
    """At the time of its receipt."""
    group = accepted(delivery("d1", payload, kind="status"))
    assert [tuple(each) for each in group.status] == [("d1", 1, status, NOW)]
    assert group.counts["received"] == 0


@pytest.mark.parametrize(
    "payload",
    [b"on", b"{}", b"[]", b"{", b'{"status": 1}', b"\xff\xff", b"null", b"o" * 70_000, b'{"status": []}', b'""'],
)
def test_another_word_is_a_letter(payload: bytes) -> None:
    """One entry, like every message that can't be kept."""
    group = accepted(delivery("d1", payload, kind="status"))
    assert codes(group) == [("message", "wrong_type", "d1", 1, 1)]


def test_an_empty_status_clears_the_topic_and_says_nothing() -> None:
    """That is how MQTT takes back a retained message."""
    group = accepted(delivery("d1", b"", kind="status"))
    assert (group.status, group.letters, group.counts["ignored"]) == ([], [], 1)


def test_groups_close_when_they_are_full_and_keep_the_order() -> None:
    """By readings, by bytes, by letters; every delivery is in one group, the last one included."""
    acceptor = Acceptor(registering(), settings_in(Path()))
    contents = [*[[{"a": 1}] * 1_000] * 3, *[b"\xff" * 60_000] * 6, *[{"w": "x" * 1_000}] * 300]
    deliveries = [delivery(f"d{number}", content) for number, content in enumerate(contents)]
    groups = list(acceptor.groups(deliveries))
    told = [(ack, messages) for group in groups for ack, messages in group.acks]
    assert told == [(each.ack, 1) for each in deliveries]
    assert len(groups) >= 4
    for group in groups:
        assert len(group.readings) <= MAX_READINGS + 1_000
        assert group.size <= 2 * MAX_BYTES
        assert group.counts["received"] == group.counts["spooled"] + group.counts["dead_lettered"]
        assert len(orjson.loads(group.encode())) == len(group.readings) == group.counts["spooled"]
    assert all(group.full for group in groups[:-1])


def test_no_delivery_no_group() -> None:
    """An empty hand is not committed."""
    assert list(Acceptor(registering(), settings_in(Path())).groups([])) == []


def test_before_the_registry_was_read_nobody_is_registered() -> None:
    """It may be somebody's device: its readings would stay the local admin's for ever."""
    registry = Registry("register", DEFAULT_PROFILE)
    group = accepted(delivery("dev7", {"a": 1}), registry=registry)
    assert (len(group.held), group.readings, group.registered) == (1, [], [])
    registry.replace([("dev7", 7, "open", False)])
    assert accepted(delivery("dev7", {"a": 1}), registry=registry).readings[0].user_id == 7


def test_held_messages_and_those_after_them_never_become_one_point() -> None:
    """One read of a gateway: some wait for the registry, the rest is judged at once; each has a time of its own."""
    registry = Registry("register", DEFAULT_PROFILE)
    acceptor = Acceptor(registry, settings_in(Path()))
    (held,) = acceptor.groups([delivery("d1", {"a": number}) for number in range(5)])
    registry.replace([("d1", 1, "open", False)])
    (judged,) = acceptor.groups([delivery("d1", {"a": number}) for number in range(5)])
    times = [*(each.received_ns for each in held.held), *(each.ts_ns for each in judged.readings)]
    assert times == sorted(set(times))
    assert len(times) == 10


def test_an_unchanged_registry_costs_nobody_the_quick_way() -> None:
    """It is read every half minute; only a change makes ingest ask anew who is who."""
    registry = registering()
    rows = [("d1", 1, "open", False)]
    registry.replace(rows)
    version = registry.version
    registry.replace(rows)
    assert registry.version == version
    registry.replace([("d1", 2, "open", False)])
    assert registry.version > version
