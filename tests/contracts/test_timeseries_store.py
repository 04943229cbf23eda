"""What every time-series store must do: one suite, run on each of them."""

import sqlite3
from dataclasses import replace
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from shared.identifiers import RESERVED_METRICS
from shared.readings import Reading, Value
from shared.timeseries.buckets import BucketPerUser
from shared.timeseries.influx import InfluxStore
from shared.timeseries.influxhttp import Target
from shared.timeseries.influxql import place
from shared.timeseries.sqlite import SqliteStore
from shared.timeseries.store import LateQuery, LateRange, RawPage, RawQuery, TimeSeriesStore, Unavailable
from tests.contracts.backends import Open, opened
from tests.fakes.batches import committed, write
from tests.peers.influxdb import Influxd
from tests.peers.storeproxy import ANSWER_LOST, StoreProxy


def reading(ts_ns: int, device: str = "d1", owner: int = 1, measurement: str = "m", **values: Value) -> Reading:
    return Reading(device, owner, measurement, ts_ns, values or {"a": float(ts_ns)})


def query(**changes: Any) -> RawQuery:
    everything = {"device_id": "d1", "user_ids": [1], "start_ns": 0, "end_ns": 1_000, "limit": 100}
    return RawQuery(**{**everything, **changes})


async def times(store: TimeSeriesStore, **changes: Any) -> list[int]:
    return [found.ts_ns for found in (await store.raw(query(**changes))).readings]


async def test_what_is_written_is_read_back(store: TimeSeriesStore) -> None:
    """Every value of every type, every nanosecond, exactly."""
    values: dict[str, Value] = {"f": 0.1 + 0.2, "big": 1e300, "zero": -0.0, "whole": 5.0, "yes": True, "no": False}
    values |= {"word": "é ' \" , = \\ \n", "empty": ""}
    written = Reading("d1", 1, "m", 1_767_225_600_123_456_789, values)
    await write(store, [written])
    page = await store.raw(query(start_ns=written.ts_ns, end_ns=written.ts_ns + 1))
    assert page == RawPage([written], more=False)
    (found,) = page.readings
    assert {name: type(value) for name, value in found.values.items()} == {
        name: type(value) for name, value in written.values.items()
    }


async def test_writing_again_is_writing_once(store: TimeSeriesStore) -> None:
    """Replayed whole or in parts, in one write or several: the identical points."""
    batch = [reading(ts_ns, a=1.0, s="x") for ts_ns in range(10)]
    for again in (batch, batch[3:], batch + batch, batch):
        await write(store, again)
    assert (await store.raw(query())).readings == batch


async def test_the_last_one_wins_field_by_field(store: TimeSeriesStore) -> None:
    """Two readings of one device at one moment merge, in one write or two."""
    await write(store, [reading(5, a=1.0, b=1.0), reading(5, b=2.0, c=2.0)])
    await write(store, [reading(5, c=3.0)])
    assert (await store.raw(query())).readings == [reading(5, a=1.0, b=2.0, c=3.0)]


async def test_types_of_one_name_are_kept_apart(store: TimeSeriesStore) -> None:
    """A device that sends words where others send numbers spoils nothing: not another's, not its own."""
    sent = [reading(1, a=1.0), reading(2, a="1"), reading(3, a=True), reading(4, "d2", a="x"), reading(5, "d2", a=1.0)]
    await write(store, sent)
    assert (await store.raw(query())).readings == sent[:3]
    assert (await store.raw(query(device_id="d2"))).readings == sent[3:]
    assert (await store.raw(query(metrics=["a"]))).readings == sent[:3]


async def test_the_newest_of_an_owner_over_all_devices(store: TimeSeriesStore) -> None:
    """However many devices and measurements, the newest first, whichever of one moment stand at the limit."""
    sent = [
        reading(ts_ns, f"d{device}", owner, measurement, a=float(ts_ns), s="x", b=True)
        for ts_ns in range(20)
        for device in range(4)
        for owner in (1, 2)
        for measurement in ("m", "n")
        if (ts_ns + device) % 3
    ]
    await write(store, [*sent, reading(900, "other", 3), reading(-5, "d0", c=1.0)])
    mine = sorted((each for each in sent if each.user_id == 1), key=itemgetter(3, 0, 2), reverse=True)
    for limit in (1, 2, 3, 7, 50, len(mine)):
        assert list(await store.newest(1, limit)) == mine[:limit]
    assert list(await store.newest(1, 1_000)) == [*mine, reading(-5, "d0", c=1.0)]
    assert list(await store.newest(3, 10)) == [reading(900, "other", 3)]
    assert list(await store.newest(4, 10)) == []


async def test_a_range_has_its_start_and_not_its_end(store: TimeSeriesStore) -> None:
    """Two ranges side by side share no reading and miss none."""
    await write(store, [reading(ts_ns) for ts_ns in (9, 10, 11, 19, 20, 21)])
    assert await times(store, start_ns=10, end_ns=20) == [10, 11, 19]
    assert await times(store, start_ns=20, end_ns=30) == [20, 21]
    assert await times(store, start_ns=10, end_ns=10) == []
    assert await times(store, start_ns=20, end_ns=10) == []


async def test_order_is_by_time_both_ways(store: TimeSeriesStore) -> None:
    """However the readings came in."""
    await write(store, [reading(ts_ns) for ts_ns in (3, 1, 2)])
    assert await times(store) == [1, 2, 3]
    assert await times(store, order="desc") == [3, 2, 1]
    assert await times(store, order="desc", limit=1) == [3]


async def test_only_the_metrics_asked_for_come_back(store: TimeSeriesStore) -> None:
    """A reading that has none of them is not there."""
    await write(store, [reading(1, a=1.0, b=1.0, s="x"), reading(2, b=2.0)])
    assert (await store.raw(query(metrics=["a", "s"]))).readings == [reading(1, a=1.0, s="x")]
    assert (await store.raw(query(metrics=["a", "a"]))).readings == [reading(1, a=1.0)]
    assert (await store.raw(query(metrics=["none"]))).readings == []


async def test_a_tenant_sees_only_their_own(store: TimeSeriesStore) -> None:
    """A device that changed hands: each owner has their part, an empty filter nothing, an admin (None) all."""
    await write(store, [reading(1, owner=1), reading(2, owner=2), reading(3, owner=3)])
    assert await times(store, user_ids=[1]) == [1]
    assert await times(store, user_ids=[2, 3]) == [2, 3]
    assert await times(store, user_ids=[]) == []
    assert await times(store, user_ids=[4]) == []
    assert await times(store, user_ids=None) == [1, 2, 3]


async def test_a_device_has_all_its_measurements(store: TimeSeriesStore) -> None:
    """After a change of profile its readings lie in two; other devices are not mixed in."""
    await write(store, [reading(1, measurement="m"), reading(1, measurement="n"), reading(2, "d2")])
    page = await store.raw(query())
    assert [(found.ts_ns, found.measurement) for found in page.readings] == [(1, "m"), (1, "n")]


async def pages(store: TimeSeriesStore, asked: dict[str, Any]) -> list[Reading]:
    """All pages one after the other, as a client follows the cursor."""
    found: list[Reading] = []
    after: tuple[int, str, int] | None = None
    while True:
        page = await store.raw(query(**asked, after=after))
        assert len(page.readings) <= asked["limit"]
        found += page.readings
        if not page.more:
            return found
        last = page.readings[-1]
        after = last.ts_ns, last.measurement, last.user_id


async def test_a_measurement_that_is_new_since_the_last_question_is_there(store: TimeSeriesStore) -> None:
    """Whatever a store remembers of a device."""
    for number, measurement in enumerate(("m", "n", "o"), 1):
        await write(store, [reading(number, measurement=measurement)])
        assert await times(store) == [*range(1, number + 1)]


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_two_owners_at_one_moment_survive_a_page_border(store: TimeSeriesStore, order: str) -> None:
    """An admin who reads page by page misses neither."""
    await write(store, [reading(ts_ns, owner=owner) for ts_ns in (1, 2) for owner in (1, 2, 3)])
    found = await pages(store, {"user_ids": None, "limit": 2, "order": order})
    assert [(each.ts_ns, each.user_id) for each in found] == sorted(
        ((ts_ns, owner) for ts_ns in (1, 2) for owner in (1, 2, 3)), reverse=order == "desc"
    )


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", range(1, 6))
async def test_pages_of_every_size_miss_nothing(store: TimeSeriesStore, limit: int, order: str) -> None:
    """One series, and two that share only some of their moments."""
    await write(store, [reading(ts_ns, a=1.0) for ts_ns in range(12)])
    await write(store, [reading(ts_ns, b=1.0, measurement="n") for ts_ns in range(0, 12, 3)])
    await write(store, [reading(ts_ns, b=2.0) for ts_ns in range(0, 24, 2)])
    found = [(each.ts_ns, each.measurement) for each in await pages(store, {"limit": limit, "order": order})]
    expected = {(ts_ns, "m") for ts_ns in (*range(12), *range(0, 24, 2))} | {(ts_ns, "n") for ts_ns in range(0, 12, 3)}
    assert found == sorted(expected, reverse=order == "desc")


few_values = st.dictionaries(
    st.sampled_from("abc"), st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.text("xy"), min_size=1
)
few_readings = st.builds(
    Reading,
    st.sampled_from(["d1", "d1", "d1", "d2"]),
    st.integers(1, 3),
    st.sampled_from(["m", "n"]),
    st.integers(0, 12),
    few_values,
)
questions = st.fixed_dictionaries(
    {
        "user_ids": st.none() | st.lists(st.integers(1, 3), unique=True),
        "start_ns": st.integers(0, 6),
        "end_ns": st.integers(4, 14),
        "limit": st.integers(1, 5),
        "metrics": st.none() | st.lists(st.sampled_from("abc"), min_size=1, unique=True),
        "order": st.sampled_from(["asc", "desc"]),
    }
)


def plain(written: list[Reading], asked: dict[str, Any]) -> list[Reading]:
    """The answer by a plain calculation over everything written."""
    merged: dict[tuple[int, str, int], dict[str, Value]] = {}
    for device_id, user_id, measurement, ts_ns, values in written:
        taken = {name: value for name, value in values.items() if name in (asked["metrics"] or "abc")}
        owned = asked["user_ids"] is None or user_id in asked["user_ids"]
        if device_id == "d1" and owned and taken and asked["start_ns"] <= ts_ns < asked["end_ns"]:
            merged.setdefault((ts_ns, measurement, user_id), {}).update(taken)
    ordered = sorted(merged, reverse=asked["order"] == "desc")
    return [Reading("d1", user_id, name, ts_ns, merged[ts_ns, name, user_id]) for ts_ns, name, user_id in ordered]


def one_type(readings: list[Reading]) -> list[Reading]:
    """Drop what changes the type of a metric at one moment: which one is shown is the store's business."""
    seen: dict[tuple[Any, ...], type] = {}
    kept = []
    for each in readings:
        keys = {(*each[:4], name): type(value) for name, value in each.values.items()}
        if all(seen.get(key, kind) is kind for key, kind in keys.items()):
            seen.update(keys)
            kept.append(each)
    return kept


@settings(max_examples=10, deadline=None)
@given(
    st.lists(st.lists(few_readings, min_size=5, max_size=30), max_size=2), st.lists(questions, min_size=1, max_size=5)
)
async def test_pages_are_what_a_plain_calculation_gives(
    backend: Open, tmp_path_factory: pytest.TempPathFactory, writes: list[list[Reading]], asked: list[dict[str, Any]]
) -> None:
    """Random readings, random questions, pages of every size, both orders: nothing missing, nothing twice."""
    written = one_type([each for batch in writes for each in batch])
    async with opened(backend, tmp_path_factory.mktemp("store")) as store:
        for batch in writes:
            await write(store, [each for each in batch if each in written])
        for question in asked:
            assert await pages(store, question) == plain(written, question)


any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
any_values = st.dictionaries(
    st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,6}", fullmatch=True).filter(
        lambda name: "__" not in name and name not in RESERVED_METRICS
    ),
    st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | words,
    min_size=1,
)


@settings(max_examples=10, deadline=None)
@given(st.lists(any_values, min_size=1, max_size=20))
@example(
    [
        {"a": "x\\"},
        {"a": "\\n"},
        {"a": 'say "no", a=1 2'},
        {"a": "\n#x"},
        {"time.": 5e-324, "b": -1.7976931348623157e308},
    ]
)
async def test_any_value_comes_back_as_it_was(
    backend: Open, tmp_path_factory: pytest.TempPathFactory, sent: list[dict[str, Value]]
) -> None:
    """Whatever a device may say: no value changes, none ends its line early, none becomes another's."""
    written = [Reading("d1", 1, "m", ts_ns, values) for ts_ns, values in enumerate(sent)]
    async with opened(backend, tmp_path_factory.mktemp("store")) as store:
        await write(store, written)
        assert (await store.raw(query())).readings == written


@settings(max_examples=10, deadline=None)
@given(any_text, any_text)
@example("d1' OR '1'='1", 'b", "a')
@example('x\' OR "user_id"::tag =~ /.*/ --', 'a" FROM "m" --')
@example("$device", "*")
@example("d1\\", "a\\")
@example("d1\n", "a\n")
@example("d1\0", "a\0")
async def test_a_question_is_no_place_for_code(
    backend: Open, tmp_path_factory: pytest.TempPathFactory, device: str, metric: str
) -> None:
    """A device's name or a metric's that looks like a query is a name that nobody has."""
    assume(device != "d1" and metric != "a")
    async with opened(backend, tmp_path_factory.mktemp("store")) as store:
        await write(store, [reading(1, a=1.0), reading(2, owner=2, a=1.0)])
        assert (await store.raw(query(device_id=device))).readings == []
        assert (await store.raw(query(metrics=[metric]))).readings == []
        assert (await store.raw(query(metrics=[metric, "a"]))).readings == [reading(1, a=1.0)]


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_the_ends_of_time_are_a_range_too(store: TimeSeriesStore, order: str) -> None:
    """A range as wide as int64 is not an error."""
    await write(store, [reading(1), reading(2**62)])
    assert sorted(await times(store, start_ns=-(2**63), end_ns=2**63 - 1, order=order)) == [1, 2**62]
    assert sorted(await times(store, start_ns=-(2**70), end_ns=2**70, order=order)) == [1, 2**62]


async def test_many_owners_are_one_question(store: TimeSeriesStore) -> None:
    """An administrator of a hundred tenants sees those hundred and not the one hundred and first."""
    await write(store, [reading(owner, owner=owner) for owner in range(1, 130)])
    assert await times(store, user_ids=list(range(1, 101)), limit=1000) == list(range(1, 101))


LATER_NS = 100 * 10**9  # later than the readings of these tests by more than a minute


async def test_late_readings_are_found_by_the_time_of_their_commit(store: TimeSeriesStore) -> None:
    """For each device and owner one range around what was late, over all batches committed in the time asked for."""
    await store.write(
        [
            committed([reading(5), reading(9, measurement="n"), reading(7, "d2"), reading(LATER_NS)], LATER_NS),
            committed([reading(3), reading(4, owner=2)], LATER_NS + 1),
            committed([reading(1)], LATER_NS + 2),
        ]
    )
    everybody = LateQuery(None, LATER_NS, LATER_NS + 2)
    found = [LateRange("d1", 1, 3, 10, 3), LateRange("d1", 2, 4, 5, 1), LateRange("d2", 1, 7, 8, 1)]
    assert await store.late(everybody) == found
    assert await store.late(replace(everybody, end_ns=LATER_NS + 1)) == [LateRange("d1", 1, 5, 10, 2), found[2]]
    assert await store.late(replace(everybody, start_ns=LATER_NS + 2, end_ns=2**70)) == [LateRange("d1", 1, 1, 2, 1)]
    assert await store.late(replace(everybody, start_ns=-(2**70), end_ns=LATER_NS)) == []
    assert await store.late(replace(everybody, start_ns=5, end_ns=5)) == []


async def test_a_tenant_learns_only_of_their_own_late_readings(store: TimeSeriesStore) -> None:
    """A filter of several owners, of a hundred, of none; the index shows up in no answer of readings."""
    await write(store, [reading(owner, owner=owner) for owner in range(1, 130)], LATER_NS)

    async def owners(user_ids: list[int] | None) -> list[int]:
        return [late.user_id for late in await store.late(LateQuery(user_ids, 0, 2 * LATER_NS))]

    assert await owners([1]) == [1]
    assert await owners([3, 2]) == [2, 3]
    assert await owners(list(range(1, 101))) == list(range(1, 101))
    assert await owners([]) == []
    assert await owners([130]) == []
    assert await owners(None) == list(range(1, 130))
    page = await store.raw(query(user_ids=[1], end_ns=2**62))
    assert [found.measurement for found in page.readings] == ["m"]


async def test_a_late_batch_written_again_is_indexed_once(store: TimeSeriesStore) -> None:
    """By itself or among others, after an answer that was lost."""
    batches = [committed([reading(at), reading(at + 1)], LATER_NS + at) for at in range(3)]
    for again in (batches, batches[1:], batches[:1]):
        await store.write(again)
    assert await store.late(LateQuery([1], 0, 2 * LATER_NS)) == [LateRange("d1", 1, 0, 4, 6)]


async def test_nothing_to_write_is_no_error(store: TimeSeriesStore) -> None:
    """An empty batch, and a reading without values."""
    await store.write([])
    await write(store, [])
    await write(store, [Reading("d1", 1, "m", 1, {}), reading(2)])
    assert await times(store) == [2]


async def test_readings_survive_closing_and_opening(backend: Open, tmp_path: Path) -> None:
    """What write() returned for is there in the next life, and the next life goes on writing to it."""
    async with opened(backend, tmp_path) as store:
        await write(store, [reading(1, a=1.0)])
    async with opened(backend, tmp_path) as store:
        await store.ping()
        await write(store, [reading(1, b="x"), reading(2)])
        assert (await store.raw(query())).readings == [reading(1, a=1.0, b="x"), reading(2)]


@pytest.mark.peer("influxd")
@pytest.mark.parametrize("kind", [InfluxStore, BucketPerUser])
async def test_what_was_stored_unheard_is_stored_once(
    influxd: Influxd, kind: type[InfluxStore | BucketPerUser]
) -> None:
    """A real server took it and the line was cut before its answer: written again it is the same points."""
    database = f"unheard_{kind.__name__}"
    kept = [f"{database}_1", f"{database}_2"] if kind is BucketPerUser else [database]
    for name in kept:
        influxd.query(f"CREATE DATABASE {name}")

    def points() -> list[int]:
        """Readings and entries of the index, told by the server itself."""
        counts = ("SELECT count(a) FROM m", "SELECT count(n) FROM telemetrio_late")
        found = [[influxd.query(count, name).get("series") for name in kept] for count in counts]
        return [sum(series[0]["values"][0][1] for series in each if series) for each in found]

    batches = [committed([reading(at, owner=owner, a=float(at)) for at in range(500)], LATER_NS) for owner in (1, 2)]
    proxy = StoreProxy(influxd.port)
    await proxy.open()
    store = kind(Target(proxy.url, "", "", database))
    try:
        proxy.fault = ANSWER_LOST._replace(only="write")
        for _ in range(3):
            with pytest.raises(Unavailable, match="can't be reached"):
                await store.write(batches)
            assert points() == [1_000, 2]
        await proxy.mend()
        await store.write(batches)
        assert points() == [1_000, 2]
        both = [each.readings for each in batches]
        assert (await store.raw(query(user_ids=None, limit=2_000))).readings == sorted([*both[0], *both[1]], key=place)
        assert [late.number for late in await store.late(LateQuery(None, 0, 2 * LATER_NS))] == [500, 500]
    finally:
        await store.close()
        await proxy.close()


async def test_a_store_that_cant_be_opened_is_unavailable(tmp_path: Path) -> None:
    """Not an error that ends the writer: an outage, that ends when the file can be opened."""
    store = SqliteStore(tmp_path / "later" / "readings.db")
    for asked in (store.open, store.ping, lambda: write(store, [reading(1)]), lambda: store.raw(query())):
        with pytest.raises(Unavailable, match=r"readings\.db"):
            await asked()
    (tmp_path / "later").mkdir()
    await store.open()
    await write(store, [reading(1)])
    assert await times(store) == [1]
    await store.close()


async def test_a_write_that_fails_is_taken_back_whole(tmp_path: Path) -> None:
    """The disk is full in the middle: none of the batch is there, new series neither, and the next write is right."""
    store = SqliteStore(tmp_path / "readings.db")
    await store.open()
    await write(store, [reading(1)])
    pages_now = await store._writer.call(lambda connection: connection.execute("PRAGMA page_count").fetchone()[0])
    limit = f"PRAGMA max_page_count={pages_now}"
    await store._writer.call(lambda connection: connection.execute(limit).fetchall())
    batch = [reading(ts_ns, f"new{ts_ns % 7}", a=1.0, s="x" * 500) for ts_ns in range(500)]
    with pytest.raises(Unavailable, match="full"):
        await write(store, batch)
    assert (await store.raw(query(device_id="new1"))).readings == []
    await store._writer.call(lambda connection: connection.execute("PRAGMA max_page_count=1000000").fetchall())
    await write(store, batch)
    assert len((await store.raw(query(device_id="new1"))).readings) == len(range(1, 500, 7))
    await store.close()
    with sqlite3.connect(tmp_path / "readings.db") as connection:
        orphans = "SELECT count(*) FROM points WHERE series NOT IN (SELECT id FROM series)"
        assert connection.execute(orphans).fetchone() == (0,)
    connection.close()
