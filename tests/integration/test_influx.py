"""The store on InfluxDB: what becomes of every answer, on a real 1.6.7 and on stand-ins for 2.7 and 3.x."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from email.utils import formatdate

import pytest
from aiohttp import web

from shared.readings import Reading, Value
from shared.timeseries.buckets import BucketPerUser
from shared.timeseries.calendar import Run
from shared.timeseries.influx import InfluxStore
from shared.timeseries.influxholdings import InfluxHoldings
from shared.timeseries.influxhttp import Target
from shared.timeseries.lineprotocol import PROBE
from shared.timeseries.store import Denied, LateQuery, RawQuery, Refused, Unavailable, WindowQuery
from tests.fakes.batches import committed, write
from tests.fakes.influxdb import (
    FakeInflux,
    Fault,
    Point,
    answering,
    cutting,
    cutting_in_the_middle,
    held_until,
    losing_the_answer,
    said,
)
from tests.peers.influxdb import Influxd, free_ports
from tests.peers.waiting import eventually_async

NOON_NS = 1_767_268_800_000_000_000  # 2026-01-01T12:00:00Z
EVERYTHING = RawQuery("d1", [1], 0, 2**62, 10_000)


@pytest.fixture(params=["2.7.12", "3.0.1"])
async def fake(request: pytest.FixtureRequest) -> AsyncIterator[FakeInflux]:
    async with FakeInflux(request.param, "t").running() as server:
        yield server


@pytest.fixture
async def store(fake: FakeInflux) -> AsyncIterator[InfluxStore]:
    async with opened(Target(fake.url, "t", "o", fake.bucket)) as ready:
        yield ready


@asynccontextmanager
async def opened(target: Target, timeout_s: float = 20.0) -> AsyncIterator[InfluxStore]:
    store = InfluxStore(target, timeout_s)
    try:
        yield store
    finally:
        await store.close()


def batch(number: int, **values: Value) -> list[Reading]:
    """Readings of one device, a millisecond apart."""
    return [Reading("d1", 1, "m", NOON_NS + 1_000_000 * each, values or {"v": float(each)}) for each in range(number)]


async def refused(store: InfluxStore, readings: list[Reading]) -> dict[int, str]:
    with pytest.raises(Refused) as caught:
        await write(store, readings)
    return dict(caught.value.refused)


def spoilt(readings: list[Reading], *positions: int) -> list[Reading]:
    """With a value that the server finds fault with at these positions."""
    return [each._replace(values={"v": -1.0}) if at in positions else each for at, each in enumerate(readings)]


def finds_fault(point: Point) -> bool:
    return -1.0 in point.fields.values()


def times(fake: FakeInflux) -> set[int]:
    return {ts_ns for _, ts_ns in fake.measured("m")}


# ---- bad data


@pytest.mark.parametrize("positions", [(0,), (4_999,), (2_500, 2_501), (17, 1_800, 3_333)])
async def test_one_bad_point_costs_nobody_else(
    fake: FakeInflux, store: InfluxStore, positions: tuple[int, ...]
) -> None:
    """All but the bad ones of 5,000 are stored, and each of those comes with its reason."""
    fake.refuse = finds_fault
    found = await refused(store, spoilt(batch(5_000), *positions))
    assert tuple(found) == positions
    assert all("unable to parse" in reason for reason in found.values())
    assert len(times(fake)) == 5_000 - len(positions)
    assert len(fake.writes) < 40 * len(positions)


async def test_the_readings_of_a_named_field_are_split_off_first(fake: FakeInflux, store: InfluxStore) -> None:
    """200 type conflicts with a foreign writer in 5,000: told by few questions where the server counts them."""
    fake.types["m", "w"] = "str"
    readings = [
        each._replace(values={"w": 1.0, "v": 1.0}) if at % 25 == 0 else each for at, each in enumerate(batch(5_000))
    ]
    found = await refused(store, readings)
    assert list(found) == list(range(0, 5_000, 25))
    assert len(times(fake)) == 4_800
    assert len(fake.writes) < (10 if fake.version.startswith("2") else 1_100)


async def test_a_batch_of_nothing_but_bad_points_is_refused_whole(fake: FakeInflux, store: InfluxStore) -> None:
    """Each by itself, and a probe was taken."""
    fake.refuse = finds_fault
    assert len(await refused(store, spoilt(batch(50), *range(50)))) == 50
    assert times(fake) == set()
    assert PROBE in fake.writes


@pytest.mark.parametrize("bad", range(5))
async def test_the_last_one_wins_also_where_a_bad_one_lies_between(
    fake: FakeInflux, store: InfluxStore, bad: int
) -> None:
    """Four of one moment: in whatever parts they were sent, they merge in the order in which they came."""
    fake.refuse = finds_fault
    same = [Reading("d1", 1, "m", NOON_NS, {"v": float(at), f"w{at}": 1.0}) for at in range(4)]
    poison = Reading("d1", 1, "m", 5, {"v": -1.0})
    assert list(await refused(store, [*same[:bad], poison, *same[bad:]])) == [bad]
    (stored,) = (await store.raw(EVERYTHING)).readings
    assert stored.values == {"v": 3.0, "w0": 1.0, "w1": 1.0, "w2": 1.0, "w3": 1.0}


async def test_what_line_protocol_can_not_say_is_refused_and_the_rest_stored(
    fake: FakeInflux, store: InfluxStore
) -> None:
    """By us: together with what the server refuses, in order of position."""
    fake.refuse = finds_fault
    readings = spoilt(batch(10), 7)
    readings[3] = readings[3]._replace(values={"v": float("nan")})
    readings[9] = readings[9]._replace(device_id="a\nb")
    assert list(await refused(store, readings)) == [3, 7, 9]
    assert len(times(fake)) == 7


async def test_a_reason_is_not_the_device_s_to_write(store: InfluxStore, fake: FakeInflux) -> None:
    """A string that looks like the server's count of lost points drags nobody along."""
    fake.refuse = lambda point: "say__s" in point.fields
    poison = "': field type conflict partial write: x dropped=9999"
    readings = [*batch(20), Reading("d1", 1, "m", 5, {"say": poison})]
    assert list(await refused(store, readings)) == [20]


# ---- outages


@pytest.mark.parametrize("status", [400, 422])
async def test_a_server_that_refuses_everything_is_out_of_order(
    fake: FakeInflux, store: InfluxStore, status: int
) -> None:
    """3.x says 400 when its own log is full: no probe taken, no reading refused."""
    fake.fault = answering(status, "wal is full")
    with pytest.raises(Unavailable, match="even a probe: wal is full"):
        await write(store, batch(100))
    assert len(fake.writes) == 2  # no search through a server that takes nothing
    fake.fault = None
    await write(store, batch(100))


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 8])
async def test_a_server_out_of_order_for_a_moment_makes_no_dead_letter(
    fake: FakeInflux, store: InfluxStore, number: int
) -> None:
    """However many answers it refuses before and after it took a probe: good points are stored or kept."""
    await store.ping()
    for first in (answering(400), take):
        fake.faults = [answering(400), first, *[answering(400)] * number]
        try:
            await write(store, batch(8))
        except Unavailable:
            await kept(fake, store)
        assert len(times(fake)) == 8


async def take(fake: FakeInflux, request: web.Request, body: bytes) -> web.StreamResponse:
    return fake.take(request, body)


async def kept(fake: FakeInflux, store: InfluxStore) -> None:
    fake.faults = []
    await write(store, batch(8))


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_who_is_not_let_in_says_so_and_heals(fake: FakeInflux, store: InfluxStore, status: int) -> None:
    """A token or a bucket: nothing is refused, and the same store writes once somebody mended it."""
    fake.fault = answering(status, "not you")
    with pytest.raises(Denied, match="not you"):
        await write(store, batch(1))
    if status != 403:
        with pytest.raises(Denied, match="not you"):
            await store.ping()
    fake.fault = None
    await write(store, batch(1))
    await store.ping()


async def test_a_token_that_only_reads_finds_the_store_well(fake: FakeInflux, store: InfluxStore) -> None:
    """A write that is forbidden (403) is no outage to who asks whether it is there; a query that fails is."""
    fake.fault = answering(403, "insufficient permissions for write")
    await store.ping()
    fake.query_fault = answering(403, "not you")
    with pytest.raises(Denied, match="not you"):
        await store.ping()


async def test_a_wrong_token_or_bucket_is_denied_in_both_directions(fake: FakeInflux) -> None:
    """By the server's own rules, not by a planted answer; a missing database is told by 200 in a query."""
    for target in (Target(fake.url, "wrong", "o", fake.bucket), Target(fake.url, "t", "o", "elsewhere")):
        async with opened(target) as store:
            with pytest.raises(Denied):
                await write(store, batch(1))
            with pytest.raises(Denied):
                await store.raw(EVERYTHING)


async def test_too_much_at_once_is_sent_in_parts(fake: FakeInflux, store: InfluxStore) -> None:
    """413, from a server or a proxy: halved as often as needed, all of it is stored, and late ones are noted once."""
    fake.max_bytes = 500
    readings = batch(100)
    await write(store, readings, NOON_NS + 100_000_000_000)
    assert (await store.raw(EVERYTHING)).readings == readings
    assert [fields["n"] for fields in fake.measured("telemetrio_late").values()] == [100]


async def test_an_index_too_large_at_once_is_sent_in_parts(fake: FakeInflux, store: InfluxStore) -> None:
    """A line of it for each device that was late; else a write would be tried again for ever."""
    fake.max_bytes = 500
    readings = [reading._replace(device_id=f"d{number}") for number, reading in enumerate(batch(100))]
    await write(store, readings, NOON_NS + 100_000_000_000)
    assert [fields["n"] for fields in fake.measured("telemetrio_late").values()] == [1] * 100


async def test_one_line_over_the_limit_costs_nobody_else(fake: FakeInflux, store: InfluxStore) -> None:
    """It alone is refused, however small the parts that the limit asks for."""
    fake.max_bytes = 900
    readings = batch(200)
    readings[77] = readings[77]._replace(values={"say": "x" * 1_000})
    assert list(await refused(store, readings)) == [77]
    assert len(times(fake)) == 199


async def test_a_point_too_large_by_itself_is_refused(fake: FakeInflux, store: InfluxStore) -> None:
    """It can't be halved; but not while a probe is too large as well."""
    fake.faults = [answering(413, "too large"), take, take, answering(413, "too large")]
    assert await refused(store, batch(1)) == {0: "too large"}
    fake.fault = answering(413, "too large")
    with pytest.raises(Unavailable, match="even a probe"):
        await write(store, batch(1))


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("said", "wait_s"), [("7", 7.0), ("1e9", 300.0), ("soon", None), (None, None)])
async def test_a_busy_server_says_when_to_come_back(
    fake: FakeInflux, store: InfluxStore, status: int, said: str | None, wait_s: float | None
) -> None:
    """Its own word reaches the writer, capped; nonsense doesn't; also when a probe gets it."""
    busy = answering(status, "busy") if said is None else answering(status, "busy", Retry_After=said)
    for fake.faults in ([busy], [answering(400), busy]):
        with pytest.raises(Unavailable) as caught:
            await write(store, batch(2))
        assert caught.value.retry_after_s == wait_s
        assert not isinstance(caught.value, Denied)


@pytest.mark.parametrize(("ahead_s", "least_s", "most_s"), [(200, 100.0, 200.0), (-60, 0.0, 0.0), (9e8, 300.0, 300.0)])
async def test_a_busy_server_may_name_a_date(
    fake: FakeInflux, store: InfluxStore, ahead_s: float, least_s: float, most_s: float
) -> None:
    """As HTTP writes dates: the seconds until then reach the writer, none for what is past, capped for what is far."""
    fake.fault = answering(429, "busy", Retry_After=formatdate(time.time() + ahead_s, usegmt=True))
    with pytest.raises(Unavailable) as caught:
        await write(store, batch(2))
    assert caught.value.retry_after_s is not None
    assert least_s <= caught.value.retry_after_s <= most_s


@pytest.mark.parametrize(
    "fault", [answering(500), answering(502), answering(200), answering(302, Location="/ping"), cutting]
)
async def test_any_other_answer_is_an_outage(fake: FakeInflux, store: InfluxStore, fault: Fault) -> None:
    """Also a friendly page of a proxy, which is no word of InfluxDB's, and a redirect, that would lose the body."""
    fake.fault = fault
    for asked in (write(store, batch(1)), store.ping()):
        with pytest.raises(Unavailable):
            await asked
    fake.fault = None
    await write(store, batch(1))


async def test_a_lost_answer_is_an_outage_and_writing_again_stores_once(fake: FakeInflux, store: InfluxStore) -> None:
    """Stored, but nobody heard: the same points are written, and are the same points."""
    fake.faults = [losing_the_answer]
    with pytest.raises(Unavailable):
        await write(store, batch(100))
    assert len(times(fake)) == 100
    await write(store, batch(100))
    assert (await store.raw(EVERYTHING)).readings == batch(100)


async def test_a_server_that_says_nothing_is_given_up(fake: FakeInflux) -> None:
    """After the time limit; it is the same for questions."""
    never = asyncio.Event()
    fake.fault = fake.query_fault = held_until(never.wait)
    async with opened(Target(fake.url, "t", "o", fake.bucket), 0.05) as store:
        with pytest.raises(Unavailable, match=r"within 0\.05 s"):
            await write(store, batch(1))
        with pytest.raises(Unavailable, match=r"within 0\.05 s"):
            await store.raw(EVERYTHING)
    never.set()


async def test_nobody_listens() -> None:
    """Not an error that ends the writer."""
    (port,) = free_ports(1)
    async with opened(Target(f"http://127.0.0.1:{port}", "", "", "b")) as store:
        for asked in (write(store, batch(1)), store.ping(), store.raw(EVERYTHING)):
            with pytest.raises(Unavailable, match="can't be reached"):
                await asked


@pytest.mark.parametrize(
    "fault", [answering(500), answering(400), answering(200), cutting, cutting_in_the_middle, answering(401)]
)
async def test_a_question_without_an_answer_is_no_empty_page(
    fake: FakeInflux, store: InfluxStore, fault: Fault
) -> None:
    """An outage, whatever was said, and the next question is answered."""
    await write(store, batch(3))
    fake.query_fault = fault
    with pytest.raises(Unavailable):
        await store.raw(EVERYTHING)
    fake.query_fault = None
    assert len((await store.raw(EVERYTHING)).readings) == 3


# ---- which server it is


async def test_the_version_is_asked_for_once_and_again_after_an_outage(fake: FakeInflux, store: InfluxStore) -> None:
    """Not before the first write; servers before 1.8 are written to by their own path."""
    assert fake.pings == 0
    await write(store, batch(1))
    await write(store, batch(1))
    assert (fake.pings, set(fake.paths)) == (1, {"/api/v2/write"})
    for fault in (answering(503), cutting):
        for version, path in (("1.6.7~rc0", "/write"), ("1.7.11", "/write"), ("1.8.10", "/api/v2/write")):
            fake.faults = [fault]
            with pytest.raises(Unavailable):
                await write(store, batch(1))
            fake.version = version  # type: ignore[assignment] # of these only the path is of interest
            fake.paths.clear()
            await write(store, batch(1))
            assert fake.paths == [path]


# ---- one bad batch among good ones


@pytest.mark.parametrize("status", [500, 502, 503, 401, 404, 302])
async def test_who_does_not_say_its_version_is_not_written_to(
    fake: FakeInflux, store: InfluxStore, status: int
) -> None:
    """An error instead of a version is an outage, in its own words: no write goes to a path that 1.x has not."""
    fake.version = "1.6.7~rc0"  # type: ignore[assignment] # of this one only the path is of interest
    fake.ping_fault = answering(status, "not ready", Retry_After="7")
    with pytest.raises(Unavailable, match=f"answers {status}: to /ping: not ready") as caught:
        await write(store, batch(1))
    assert (caught.value.retry_after_s, fake.paths) == (7.0, [])
    fake.ping_fault = None
    await write(store, batch(1))
    assert fake.paths == ["/write"]


async def test_a_search_does_not_hold_up_other_writes(fake: FakeInflux, store: InfluxStore) -> None:
    """While one batch is taken apart, and another waits for that, a good one passes."""
    go_on = asyncio.Event()
    fake.refuse = finds_fault
    await store.ping()
    fake.faults = [answering(400), held_until(go_on.wait)]
    bad = asyncio.create_task(refused(store, spoilt(batch(100), 50)))
    await eventually_async(lambda: held(fake, 3))
    waiting = asyncio.create_task(refused(store, spoilt(batch(100), 60)))
    await eventually_async(lambda: held(fake, 4))
    await write(store, [Reading("d2", 1, "m", NOON_NS, {"v": 1.0})])
    assert ("d2", NOON_NS) in fake.measured("m")
    assert not bad.done()
    assert not waiting.done()
    assert len(fake.writes) == 5
    go_on.set()
    assert [list(await bad), list(await waiting)] == [[50], [60]]


async def held(fake: FakeInflux, number: int) -> bool:
    return len(fake.writes) >= number


async def test_a_search_that_is_cancelled_lets_the_next_one_in(fake: FakeInflux, store: InfluxStore) -> None:
    """The side lane is free again."""
    never = asyncio.Event()
    fake.faults = [answering(400), held_until(never.wait)]
    search = asyncio.create_task(write(store, batch(10)))
    await eventually_async(lambda: held(fake, 2))
    search.cancel()
    with pytest.raises(asyncio.CancelledError):
        await search
    never.set()
    fake.refuse = finds_fault
    assert list(await refused(store, spoilt(batch(10), 5))) == [5]


# ---- late readings


async def test_late_readings_are_indexed_by_the_same_write(fake: FakeInflux, store: InfluxStore) -> None:
    """Also where a bad point made it several; no question for readings shows the index."""
    readings = batch(4)
    committed_ns = readings[1].ts_ns + 60_000_000_001
    await write(store, readings, committed_ns)
    assert len(fake.writes) == 1
    index = {("d1", committed_ns): {"n": 2, "ts_min": readings[0].ts_ns, "ts_max": readings[1].ts_ns}}
    assert fake.measured("telemetrio_late") == index
    fake.points.clear()
    fake.refuse = finds_fault
    with pytest.raises(Refused):
        await write(store, spoilt(readings, 3), committed_ns)
    assert fake.measured("telemetrio_late") == index
    assert (await store.raw(EVERYTHING)).readings == readings[:3]


async def test_positions_count_over_all_batches_of_a_write(fake: FakeInflux, store: InfluxStore) -> None:
    """What the server refuses and what has no line, each by its place in the whole write."""
    fake.refuse = finds_fault
    first, second = spoilt(batch(5), 1), spoilt(batch(5), 4)
    second[0] = second[0]._replace(values={"v": float("inf")})
    with pytest.raises(Refused) as caught:
        await store.write([committed(first), committed([]), committed(second)])
    assert [position for position, _ in caught.value.refused] == [1, 5, 9]


async def test_an_index_that_is_refused_is_an_outage(fake: FakeInflux, store: InfluxStore) -> None:
    """After a search it is written by itself: nothing is forgotten before it is there."""
    readings = batch(2)
    fake.faults = [answering(400), take, take, take, answering(400)]
    with pytest.raises(Unavailable, match="index of late readings"):
        await write(store, readings, NOON_NS + 100_000_000_000)
    await write(store, readings, NOON_NS + 100_000_000_000)
    assert len(fake.measured("telemetrio_late")) == 1


@pytest.mark.parametrize(
    "fault", [answering(500), answering(400), answering(200), cutting, cutting_in_the_middle, answering(401)]
)
async def test_an_index_that_can_not_be_read_is_no_empty_answer(
    fake: FakeInflux, store: InfluxStore, fault: Fault
) -> None:
    """An outage: a resume must not take it for "nothing came late"."""
    fake.query_fault = fault
    with pytest.raises(Unavailable):
        await store.late(LateQuery([1], 0, 2**62))


async def of_another_shape(_: FakeInflux, __: web.Request, ___: bytes) -> web.StreamResponse:
    return said(200, {"results": [{"series": [{"name": "m", "values": 5}]}]})


async def test_an_answer_of_another_shape_is_no_empty_answer(fake: FakeInflux, store: InfluxStore) -> None:
    """200 and JSON that InfluxDB never says: an outage, whatever was asked, by a service or by a backup."""
    target = Target(fake.url, "t", "o", fake.bucket)
    buckets = BucketPerUser(target)
    one, many = InfluxHoldings(target, per_user=False), InfluxHoldings(target, per_user=True)
    fake.query_fault = of_another_shape
    for question in (
        store.raw(EVERYTHING),
        store.newest(1, 10),
        store.windows(WindowQuery(["d1"], [1], ["v"], ["mean"], 0, 100, [Run(0, 100, 1)])),
        store.late(LateQuery([1], 0, 2**62)),
        buckets.late(LateQuery(None, 0, 2**62)),
        one.devices(),
        one.notes("d1", 0, 100),
        many.devices(),
    ):
        with pytest.raises(Unavailable, match=r"InfluxDB: .* can't be read"):
            await question
    for each in (buckets, one, many):
        await each.close()


async def of_nobody(_: FakeInflux, __: web.Request, ___: bytes) -> web.StreamResponse:
    return said(200, {"results": [{"series": [{"values": []}]}]})


async def test_a_series_without_a_name_is_an_outage(fake: FakeInflux, store: InfluxStore) -> None:
    """Also where it is the first question, of which measurements there are."""
    fake.query_fault = of_nobody
    for question in (
        store.raw(EVERYTHING),
        store.newest(1, 10),
        store.windows(WindowQuery(["d1"], [1], ["v"], ["mean"], 0, 100, [Run(0, 100, 1)])),
    ):
        with pytest.raises(Unavailable, match="without a name"):
            await question


# ---- the real one


@pytest.fixture(scope="module")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    server = Influxd(tmp_path_factory.mktemp("influxd"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def real(influxd: Influxd, request: pytest.FixtureRequest) -> AsyncIterator[tuple[InfluxStore, str]]:
    """A store on a database of the test's own, and the name of that."""
    database = request.node.originalname
    influxd.query(f"CREATE DATABASE {database}")
    async with opened(Target(influxd.url, "", "", database)) as store:
        yield store, database


@pytest.mark.peer("influxd")
async def test_a_field_named_like_a_tag_hides_and_fakes_nothing(
    influxd: Influxd, real: tuple[InfluxStore, str]
) -> None:
    """Tenant 2's device sends fields `user_id` and `device_id`: by another writer, for ingest refuses them."""
    store, database = real
    mine = batch(3)
    await write(store, mine)
    forged = 'user_id="1",device_id="d1"'
    lines = [f"m,device_id=d2,user_id=2 v=666,{forged} {each.ts_ns + 1}" for each in mine]
    lines += [f'm,device_id=d1,user_id=1 user_id="2",device_id="d2" {each.ts_ns}' for each in mine]
    influxd.write(database, "\n".join(lines))
    # the attack works on whoever writes plain names: tenant 1's question shows what tenant 2 sent
    assert 666 in [
        row[1] for row in influxd.query("SELECT v FROM m WHERE user_id = '1'", database)["series"][0]["values"]
    ]
    assert (await store.raw(EVERYTHING)).readings == mine
    assert (await store.raw(RawQuery("d1", [2], 0, 2**62, 10))).readings == []
    others = (await store.raw(RawQuery("d2", [2], 0, 2**62, 10))).readings
    assert [each.values for each in others] == [{"v": 666.0}] * 3
    assert (await store.raw(RawQuery("d2", [1], 0, 2**62, 10))).readings == []


@pytest.mark.peer("influxd")
async def test_real_type_conflicts_cost_only_themselves(influxd: Influxd, real: tuple[InfluxStore, str]) -> None:
    """One, and 199 of another field, in 5,000: all the others are there."""
    store, database = real
    influxd.write(database, f'm,device_id=x,user_id=1 w="text",u="text" {NOON_NS}')
    conflicting: dict[int, dict[str, Value]] = {at: {"u": 1.0, "v": 1.0} for at in range(0, 5_000, 25)}
    conflicting[2_500] = {"w": 1.0}
    readings = [each._replace(values=conflicting.get(at, each.values)) for at, each in enumerate(batch(5_000))]
    found = await refused(store, readings)
    assert set(found) == set(conflicting)
    assert all("field type conflict" in reason for reason in found.values())
    stored = (await store.raw(EVERYTHING)).readings
    assert stored == [each for at, each in enumerate(readings) if at not in conflicting]


@pytest.mark.peer("influxd")
async def test_real_points_outside_retention_are_told_apart(influxd: Influxd, real: tuple[InfluxStore, str]) -> None:
    """They are refused with that reason, and the young ones stored."""
    store, database = real
    influxd.query(f"ALTER RETENTION POLICY autogen ON {database} DURATION 24h SHARD DURATION 1h")
    young = [each._replace(ts_ns=time.time_ns() - at) for at, each in enumerate(batch(10))]
    found = await refused(store, [*batch(10), *young])
    assert list(found) == list(range(10))
    assert all("retention policy" in reason for reason in found.values())
    assert len((await store.raw(EVERYTHING)).readings) == 10


@pytest.mark.peer("influxd")
async def test_a_real_database_that_is_missing_is_denied_until_it_is_there(influxd: Influxd) -> None:
    """For writes, questions and health, without a restart."""
    database = "made_later"
    async with opened(Target(influxd.url, "", "", database)) as store:
        for asked in (write(store, batch(1)), store.raw(EVERYTHING), store.ping()):
            with pytest.raises(Denied, match="database not found"):
                await asked
        influxd.query(f"CREATE DATABASE {database}")
        await store.ping()
        await write(store, batch(1))
        assert (await store.raw(EVERYTHING)).readings == batch(1)


@pytest.mark.peer("influxd")
async def test_a_real_server_killed_and_started_has_all_that_was_written(
    influxd: Influxd, real: tuple[InfluxStore, str]
) -> None:
    """What write() returned for; the same store goes on by itself."""
    store, _ = real
    await write(store, batch(5_000))
    influxd.kill()
    for asked in (write(store, batch(1)), store.raw(EVERYTHING)):
        with pytest.raises(Unavailable):
            await asked
    influxd.start()
    assert (await store.raw(EVERYTHING)).readings == batch(5_000)
    await write(store, batch(5_001))
    assert (await store.raw(EVERYTHING)).readings[-1] == batch(5_001)[-1]


@pytest.mark.peer("influxd")
async def test_several_real_writes_at_a_time(real: tuple[InfluxStore, str]) -> None:
    """Batches of many devices side by side, and read back exactly."""
    store, _ = real
    batches: list[list[Reading]] = [
        [each._replace(device_id=f"d{number}", user_id=number + 1) for each in batch(1_000)] for number in range(8)
    ]
    await asyncio.gather(*(write(store, each) for each in batches))
    for number, written in enumerate(batches):
        page = await store.raw(RawQuery(f"d{number}", [number + 1], 0, 2**62, 2_000))
        assert (page.readings, page.more) == (written, False)


@pytest.mark.peer("influxd")
@pytest.mark.parametrize("name", ["d, user_id=2", "a=b", "a b", "é,=", 'd"1"', "'", "#d", "a,device_id=d1", "{}$1"])
async def test_a_real_name_stays_in_its_place(real: tuple[InfluxStore, str], name: str) -> None:
    """Of a device, a measurement or a metric: ingest refuses such names, and the store doesn't depend on it."""
    store, _ = real
    measurement = name.replace("#", "")
    written = [Reading(name, 1, measurement, NOON_NS + at, {name: 1.0, f"x{name}": name}) for at in range(3)]
    await write(store, [*written, Reading("d1", 1, "m", NOON_NS, {"v": 1.0})])
    asked = RawQuery(name, [1], 0, 2**62, 10)
    assert (await store.raw(asked)).readings == written
    assert (await store.raw(replace(asked, metrics=[name]))).readings == [
        each._replace(values={name: 1.0}) for each in written
    ]
    assert (await store.raw(EVERYTHING)).readings == [Reading("d1", 1, "m", NOON_NS, {"v": 1.0})]
    assert (await store.raw(replace(EVERYTHING, user_ids=[2]))).readings == []
