"""A bucket for each user: whose readings lie where, and what becomes of a bucket that is missing."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from shared.readings import Reading
from shared.timeseries.buckets import BucketPerUser
from shared.timeseries.influxhttp import Target
from shared.timeseries.store import LateQuery, LateRange, Missing, RawQuery, Refused, Unavailable
from tests.fakes.batches import committed, write
from tests.fakes.influxdb import FakeInflux, answering
from tests.peers.influxdb import Influxd

NOON_NS = 1_767_268_800_000_000_000  # 2026-01-01T12:00:00Z
LATER_NS = NOON_NS + 3600 * 10**9


@pytest.fixture(scope="module")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    server = Influxd(tmp_path_factory.mktemp("influxd"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    """Of the databases of this test."""
    return str(request.node.originalname)


@asynccontextmanager
async def opened(target: Target) -> AsyncIterator[BucketPerUser]:
    store = BucketPerUser(target)
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture
async def real(influxd: Influxd, prefix: str) -> AsyncIterator[BucketPerUser]:
    async with opened(Target(influxd.url, "", "", prefix)) as store:
        yield store


def make(influxd: Influxd, *names: str) -> None:
    for name in names:
        influxd.query(f"CREATE DATABASE {name}")


def databases(influxd: Influxd, prefix: str) -> list[str]:
    (series,) = influxd.query("SHOW DATABASES")["series"]
    return [name for (name,) in series["values"] if name.startswith(prefix)]


def reading(owner: int, at: int = 0, value: float = 1.0, device: str = "d1") -> Reading:
    return Reading(device, owner, "m", NOON_NS + at, {"v": value})


def query(user_ids: list[int] | None) -> RawQuery:
    return RawQuery("d1", user_ids, 0, 2**62, 100)


@pytest.mark.peer("influxd")
async def test_each_owners_readings_lie_in_their_own_bucket(influxd: Influxd, real: BucketPerUser, prefix: str) -> None:
    """And so does the index of the late ones; one write of all of them, in batches that mix them."""
    make(influxd, f"{prefix}_1", f"{prefix}_2", f"{prefix}_12")
    mixed = [reading(owner, at) for at in range(4) for owner in (1, 2, 12)]
    await real.write([committed(mixed[:5], LATER_NS), committed(mixed[5:], LATER_NS + 1, seq=2)])
    for owner in (1, 2, 12):
        for measurement in ("m", "telemetrio_late"):
            tags = f'SHOW TAG VALUES FROM "{measurement}" WITH KEY = "user_id"'
            (series,) = influxd.query(tags, f"{prefix}_{owner}")["series"]
            assert series["values"] == [["user_id", str(owner)]]
        assert (await real.raw(query([owner]))).readings == [reading(owner, at) for at in range(4)]
        late = LateRange("d1", owner, NOON_NS, NOON_NS + 4, 4)
        assert await real.late(LateQuery([owner], LATER_NS, LATER_NS + 2)) == [late]


@pytest.mark.peer("influxd")
async def test_an_admin_reads_the_buckets_of_users_and_no_others(
    influxd: Influxd, real: BucketPerUser, prefix: str
) -> None:
    """Databases of others, whose names are only alike, hold readings of the same device: none of them comes back."""
    own, others = [f"{prefix}_1", f"{prefix}_2"], [prefix, f"{prefix}_01", f"{prefix}_1x", f"x{prefix}_1"]
    make(influxd, *own, *others)
    for name in others:
        influxd.write(name, f"m,device_id=d1,user_id=1 v=666 {NOON_NS}")
    await write(real, [reading(1), reading(2)], LATER_NS)
    assert (await real.raw(query(None))).readings == [reading(1), reading(2)]
    assert [late.user_id for late in await real.late(LateQuery(None, 0, 2**62))] == [1, 2]


@pytest.mark.peer("influxd")
async def test_a_missing_bucket_is_named_and_never_made(influxd: Influxd, real: BucketPerUser, prefix: str) -> None:
    """Its write is an outage until somebody makes it, though others' readings are stored; to read it is one, too."""
    with pytest.raises(Missing, match=f"no bucket {prefix}_<user id>"):
        await real.ping()
    make(influxd, f"{prefix}_1", f"{prefix}_3")
    await real.ping()
    readings = [reading(2), reading(1), reading(3)]
    for asked in (write(real, readings), real.raw(query([1, 2])), real.late(LateQuery([2], 0, 2**62))):
        with pytest.raises(Missing, match=f"create bucket {prefix}_2 for user 2.*database not found"):
            await asked
    assert databases(influxd, prefix) == [f"{prefix}_1", f"{prefix}_3"]
    assert (await real.raw(query(None))).readings == [reading(1), reading(3)]
    make(influxd, f"{prefix}_2")
    await write(real, readings)
    assert (await real.raw(query([3, 2, 1, 2]))).readings == [reading(1), reading(2), reading(3)]


@pytest.mark.peer("influxd")
async def test_positions_of_what_is_refused_count_over_the_whole_write(
    influxd: Influxd, real: BucketPerUser, prefix: str
) -> None:
    """Type conflicts in two owners' buckets, and what line protocol has no words for: all others are stored."""
    make(influxd, f"{prefix}_1", f"{prefix}_2", f"{prefix}_3")
    for owner in (1, 2):
        influxd.write(f"{prefix}_{owner}", f'm,device_id=x,user_id={owner} w="foreign" {NOON_NS}')
    mixed = [reading(owner, at) for at in range(5) for owner in (3, 2, 1)]
    for spoilt in (4, 11, 13):  # of owners 2, 1, 2
        mixed[spoilt] = mixed[spoilt]._replace(values={"w": 1.0})
    mixed[6] = mixed[6]._replace(device_id="a\nb")  # of owner 3
    with pytest.raises(Refused) as caught:
        await real.write([committed(mixed[:7]), committed([], seq=2), committed(mixed[7:], seq=3)])
    assert [position for position, _ in caught.value.refused] == [4, 6, 11, 13]
    stored = (await real.raw(query(None))).readings
    assert sorted(stored) == sorted(each for at, each in enumerate(mixed) if at not in {4, 6, 11, 13})


async def test_buckets_of_2x_have_the_same_names() -> None:
    """And who has none is told of with the bucket's name."""
    async with FakeInflux("2.7.12", "t", "b_7").running() as fake, opened(Target(fake.url, "t", "o", "b")) as store:
        await write(store, [reading(7)])
        assert (await store.raw(query([7]))).readings == [reading(7)]
        with pytest.raises(Missing, match=r'create bucket b_8 for user 8.*bucket "b_8" not found'):
            await write(store, [reading(8)])


async def test_a_server_that_is_away_is_not_asked_for_every_user() -> None:
    """After its first answer no more of fifty requests are begun, and its word of when to come back is passed on."""
    async with FakeInflux("2.7.12", "t").running() as fake, opened(Target(fake.url, "t", "o", "b")) as store:
        fake.fault = answering(503, "busy", Retry_After="7")
        with pytest.raises(Unavailable) as caught:
            await write(store, [reading(owner) for owner in range(50)])
        assert caught.value.retry_after_s == 7.0
        assert len(fake.writes) <= 4


@pytest.mark.parametrize("missing_first", [True, False])
async def test_an_outage_counts_more_than_a_missing_bucket(missing_first: bool) -> None:  # noqa: FBT001 - a case
    """Whichever is heard first: who only made the bucket would wait in vain."""
    faults = [answering(404, 'bucket "b_1" not found'), answering(503, "busy", Retry_After="7")]
    async with FakeInflux("2.7.12", "t").running() as fake, opened(Target(fake.url, "t", "o", "b")) as store:
        fake.faults = faults if missing_first else faults[::-1]
        with pytest.raises(Unavailable, match="busy") as caught:
            await write(store, [reading(1), reading(2)])
        assert not isinstance(caught.value, Missing)
