"""How a row of a list of devices is told."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.devices.rows import told
from services.api.profiles.queries import BUILT_IN, Kind
from shared.presence import presence
from shared.profiles import PROFILES
from shared.times import iso_ns

NOW = 1_767_268_800_000_000_000

near = st.integers(NOW - 400 * 10**9, NOW + 10**9)


def row(**changed: Any) -> list[Any]:
    """As the driver has it: a device that has never said anything."""
    empty: dict[str, Any] = {
        "id": 7,
        "device_id": "d1",
        "name": "Porch",
        "profile": "environment",
        "claimed": 1,
        "measurement": None,
        "seen_ns": None,
        "values": None,
        "status": None,
        "status_ns": None,
    }
    return list({**empty, **changed}.values())


def shown(now_ns: int = NOW, **changed: Any) -> dict[str, Any]:
    """As a client reads it."""
    value: dict[str, Any] = orjson.loads(orjson.dumps(told([row(**changed)], BUILT_IN, now_ns, 300.0)))[0]
    return value


def test_a_row_is_told_whole() -> None:
    """Values as they were sent, the seeds' three on their own, the time to the nanosecond."""
    values = {"temperature": -1.5, "mode": 'é "q"', "door": False}
    assert shown(measurement="m", seen_ns=NOW, values=orjson.dumps(values).decode(), claimed=0) == {
        "id": 7,
        "device_id": "d1",
        "name": "Porch",
        "status": "online",
        "last_seen": "2026-01-01T12:00:00.000000000Z",
        "temperature": -1.5,
        "humidity": None,
        "pressure": None,
        "values": values,
        "measurement": "m",
        "profile": "environment",
        "units": {"temperature": "°C", "humidity": "%", "pressure": "hPa"},
        "claimed": False,
    }


@given(st.none() | near, st.none() | st.tuples(st.sampled_from(["online", "offline", "asleep"]), near))
def test_status_is_the_one_rule(seen_ns: int | None, said: tuple[str, int] | None) -> None:
    """Whatever a device said and whenever it was heard, the list tells what shared.presence says."""
    status, status_ns = said if said is not None else (None, None)
    found = shown(seen_ns=seen_ns, status=status, status_ns=status_ns)
    assert found["status"] == presence(said, seen_ns, NOW, 300.0)
    assert found["last_seen"] == (None if seen_ns is None else iso_ns(seen_ns))


@pytest.mark.parametrize(("ago_ns", "status"), [(300 * 10**9, "online"), (300 * 10**9 + 1, "offline")])
def test_status_turns_at_the_very_nanosecond(ago_ns: int, status: str) -> None:
    """Where the rule turns, the list does."""
    assert shown(seen_ns=NOW - ago_ns)["status"] == status == presence(None, NOW - ago_ns, NOW, 300.0)


def test_what_was_told_before_ages_and_changes() -> None:
    """A device that nobody heard again goes offline, and whatever changed of one is told at once, each time it does."""
    rows: dict[str, Any] = {"seen_ns": NOW, "values": '{"temperature":1.0}'}
    assert shown(**rows)["status"] == "online"
    assert shown(NOW + 301 * 10**9, **rows)["status"] == "offline"
    for name, value in [("name", "Attic"), ("values", '{"temperature":2.0}'), ("seen_ns", NOW + 1), ("claimed", 0)]:
        assert shown(**{**rows, name: value}) != shown(**rows)


def test_a_profile_that_changed_is_told_as_it_is_now() -> None:
    """Its units and its measurement are another's once its document is."""
    own = [Kind(name, orjson.Fragment(orjson.dumps({"t": name}))) for name in ("before", "after")]
    found = [orjson.loads(orjson.dumps(told([row(profile="mine")], {"mine": kind}, NOW, 300.0)))[0] for kind in own]
    assert [(one["measurement"], one["units"]["t"]) for one in found] == [("before", "before"), ("after", "after")]


def test_more_columns_are_told_behind_the_others() -> None:
    """Who it belongs to, whether it may send, since when it is there."""
    more = orjson.loads(orjson.dumps(told([[*row(), True, 5, NOW]], BUILT_IN, NOW, 300.0)))[0]
    assert more == {**shown(), "disabled": True, "user_id": 5, "created_at": iso_ns(NOW)}


@pytest.mark.parametrize("name", [*PROFILES, "unheard-of"])
def test_a_device_that_never_spoke_has_its_profiles_measurement(name: str) -> None:
    """Of a profile that nobody knows nothing is told."""
    found = shown(profile=name)
    kind = BUILT_IN.get(name)
    assert (found["measurement"], found["units"]) == (
        (kind.measurement, orjson.loads(orjson.dumps(kind.units))) if kind else ("", {})
    )
    assert (found["values"], found["last_seen"], found["status"]) == ({}, None, "offline")
