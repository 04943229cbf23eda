"""A letter judged again: what was refused is stored as it would have been, and nothing that was stored is touched."""

from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.acceptor import Acceptor
from services.ingest.group import Group, Letter, refused_reading
from services.ingest.places import place_of, places
from services.ingest.redrive import Outcome, Redriver
from services.ingest.registry import Device, Registry
from shared.payloads import Sample, Verdict
from shared.profiles import KNEE, Profile
from shared.readings import Reading
from shared.values import Flaw
from tests.fakes.ingest import NOW, delivery, settings_in

LONG_AGO: Final = NOW - 60 * 10**9
# as strict as `knee`, and its mend: the same measurement, open
STRICT: Final = KNEE
MENDED: Final = Profile(name=KNEE.name, measurement=KNEE.measurement)


def registry(profile: Profile = STRICT, *, disabled: bool = False, owner: int = 1) -> Registry:
    made = Registry("refuse", "open")
    made._devices["d1"] = Device(owner, profile, disabled)
    return made


def first(*contents: Any, by: Registry | None = None) -> Group:
    """What the messages were when they came, all in one read of the socket: at the same moment."""
    acceptor = Acceptor(registry() if by is None else by, settings_in(Path()))
    (group,) = acceptor.groups([delivery("d1", content) for content in contents])
    return group


def again(letter: Letter, by: Registry | None = None) -> Outcome:
    return Redriver(registry(MENDED) if by is None else by, settings_in(Path())).drive(letter)


def points(readings: list[Reading]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """As a store has them: fields of the same identity merge."""
    merged: dict[tuple[Any, ...], dict[str, Any]] = {}
    for reading in readings:
        merged.setdefault(tuple(reading)[:4], {}).update(reading.values)
    return merged


metrics = st.dictionaries(st.sampled_from(["x", "y", "z", "other"]), st.floats(-9, 9) | st.just("word"), max_size=4)
sample = st.tuples(metrics, st.none() | st.integers(0, 3), st.booleans()).map(
    lambda made: ({"values": made[0]} if made[2] else made[0]) | ({} if made[1] is None else {"ts": LONG_AGO - made[1]})
)
senml = st.lists(
    st.fixed_dictionaries(
        {"n": st.sampled_from(["x", "y", "other"]), "v": st.floats(-9, 9)}, optional={"t": st.integers(-5, -1)}
    ),
    min_size=1,
    max_size=4,
)
message = sample | st.lists(sample, min_size=1, max_size=5) | senml


@settings(max_examples=60, deadline=None)
@given(st.lists(message, min_size=1, max_size=4))
def test_refused_and_driven_again_is_what_it_would_have_been(messages: list[Any]) -> None:
    """After the mend the store holds what it would hold had all been well at first: every form, time and neighbour."""
    group = first(*messages)
    driven = [reading for letter in group.letters for reading in again(letter).readings]
    ideal = first(*messages, by=registry(MENDED))
    stored = points([*group.readings, *driven])
    assert _shape(stored) == _shape(points(ideal.readings))


def _shape(stored: dict[tuple[Any, ...], dict[str, Any]]) -> list[str]:
    """Of each point its metrics, and its time where the device told it (where two told the same, the last one wins)."""
    return sorted(str((key[3] if key[3] <= LONG_AGO else "receipt", sorted(stored[key]))) for key in stored)


@settings(max_examples=60, deadline=None)
@given(st.lists(message, min_size=1, max_size=4))
def test_driven_again_twice_nothing_is_doubled(messages: list[Any]) -> None:
    """Storing twice is storing once, also for samples without a time of their own."""
    group = first(*messages)
    driven = [reading for letter in group.letters for reading in again(letter).readings]
    assert points([*group.readings, *driven, *driven]) == points([*group.readings, *driven])


def test_what_was_stored_is_not_stored_again() -> None:
    """It may have been written over since, and may lie in another measurement: only what was refused moves."""
    content = [{"x": 1, "other": 2}, {"x": 3}, {"other": 4}]
    (letter,) = first(content).letters
    outcome = again(letter)
    assert [(reading.ts_ns, reading.values) for reading in outcome.readings] == [
        (NOW, {"other": 2.0}),
        (NOW + 2, {"other": 4.0}),
    ]
    assert outcome.letter is None


def test_a_refused_sample_never_takes_the_place_of_a_neighbour() -> None:
    """Messages of one moment: the bad one, driven again, is a point of its own."""
    group = first({"x": 1}, {"other": 2}, {"x": 3})
    (letter,) = group.letters
    times = [reading.ts_ns for reading in [*group.readings, *again(letter).readings]]
    assert len(set(times)) == 3


def strangers() -> Registry:
    made = Registry("refuse", "open")
    made.replace([])
    return made


@pytest.mark.parametrize("refusing", [registry(disabled=True), strangers()])
def test_messages_refused_unread_have_times_of_their_own(refusing: Registry) -> None:
    """Of a device that was disabled, or not yet added: all samples of one moment are points of their own later."""
    group = first([{"x": 1}, {"x": 2}], [{"x": 3}, {"x": 4}], by=refusing)
    readings = [reading for letter in group.letters for reading in again(letter).readings]
    assert len({reading.ts_ns for reading in readings}) == len(readings) == 4


def test_what_is_still_refused_is_a_letter_again() -> None:
    """With the bytes and the receipt of the first, and the weight of the samples that are still missing."""
    content = [{"x": 1}, {"other": 2}, {"x": [3], "other": 1}, {"other": "\x00"}]
    (letter,) = first(content).letters
    assert letter.entries == 3
    outcome = again(letter)
    assert [reading.values for reading in outcome.readings] == [{"other": 2.0}, {"other": 1.0}]
    assert outcome.letter is not None
    assert (outcome.letter.kind, outcome.letter.entries, outcome.letter.payload, outcome.letter.received_ns) == (
        *("part", 1, orjson.dumps(content), letter.received_ns),
    )
    assert orjson.loads(outcome.letter.paths) == [["[3].other", "wrong_type"], ["[2].x", "nested"]]


def test_a_stricter_rule_costs_nothing_that_was_stored() -> None:
    """A sample that was accepted then and would be refused now stays what it is, and what it lacked stays noted."""
    (letter,) = first([{"x": 1}, {"x": 2, "other": 2}, {"other": 3}], by=registry(STRICT)).letters
    narrow = Profile(name="narrow", measurement="knee_data")
    changed = letter._replace(payload=letter.payload.replace(b'{"x":2,"other":2}', b'{"x":[],"other":[]}'))
    outcome = again(changed, registry(narrow))
    assert [reading.values for reading in outcome.readings] == [{"other": 3.0}]
    assert outcome.letter is not None
    assert (outcome.letter.entries, orjson.loads(outcome.letter.paths)) == (0, [["[1].x", "nested"]])


def test_readings_stay_with_their_owner() -> None:
    """The device has changed hands since: the letter's owner gets what was theirs."""
    (letter,) = first({"x": 1, "other": 2}).letters
    (reading,) = again(letter, registry(MENDED, owner=7)).readings
    assert reading.user_id == 1
    (reading,) = again(letter._replace(user_id=None), registry(MENDED, owner=7)).readings
    assert reading.user_id == 7


def test_a_reading_that_the_store_refused_is_written_as_it_was() -> None:
    """Our own encoding, taken back to the value that it was made of."""
    reading = Reading("d1", 3, "m", NOW, {"a": 1.0, "b": "word", "c": True})
    assert again(refused_reading(reading, "why")) == Outcome([reading])


@pytest.mark.parametrize(
    ("change", "by", "reason"),
    [
        ({"kind": "shed"}, registry(MENDED), "shed"),
        ({"size": 70_000}, registry(MENDED), "truncated: of 70000 bytes the first 11 were kept"),
        ({"topic": "iot/devices/?/data"}, registry(MENDED), "bad_device_id"),
        ({"topic": "site/7/d1/data"}, registry(MENDED), "topic: it doesn't begin with TELEMETRIO_DEVICE_PREFIX"),
        ({"topic": "iot/devices/d1/status"}, registry(MENDED), "status"),
        ({"topic": "iot/devices/d2/data"}, registry(MENDED), "unknown_device: add the device first"),
        ({}, registry(MENDED, disabled=True), "device_disabled: enable the device first"),
        ({}, registry(), "unknown_metric"),
        (
            {"kind": "part", "paths": b'[["gone","nested"]]', "entries": 0},
            registry(MENDED),
            "nothing of it was refused",
        ),
    ],
)
def test_a_letter_that_stays_says_why(change: dict[str, Any], by: Registry, reason: str) -> None:
    """What can't be driven again, or is refused as before, is left as it is."""
    (letter,) = first({"other": 2}).letters
    outcome = again(letter._replace(**change), by)
    assert (outcome.readings, outcome.letter) == ([], None)
    assert outcome.reason.startswith(reason)


def test_places_are_told_by_the_refused() -> None:
    """Of samples 0 to 3 the second was refused; where nothing tells a place, there is at most one without a time."""
    accepted = [Sample(None, {"a": 1.0})] * 3
    found = places(Verdict(accepted, [Flaw("[1].a", "nested")]))
    assert [place for place, _ in zip(found, accepted, strict=False)] == [0, 2, 3]
    found = places(Verdict(accepted, [Flaw("t", "bad_timestamp")]))
    assert [place for place, _ in zip(found, accepted, strict=False)] == [0, 0, 0]
    assert [place_of(path) for path in ("[12].a", "a", "[x]", "[12345]")] == [12, None, None, None]
