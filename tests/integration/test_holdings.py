"""What each store holds of everybody, for whoever carries all of it elsewhere."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from shared.readings import Reading
from shared.timeseries import holdingsql, influxholdings, sqliteholdings
from shared.timeseries.holdings import Holdings, LateNote, open_holdings
from shared.timeseries.influxql import BadAnswer
from shared.timeseries.opening import open_store
from shared.timeseries.settings import StoreSettings
from shared.timeseries.store import LateQuery, LateRange, Missing, TimeSeriesStore, Unavailable
from tests.fakes.batches import write
from tests.peers.influxdb import Influxd

_DAY_NS = 86_400 * 10**9
_NOW_NS = 20_000 * _DAY_NS


class Rig(NamedTuple):
    store: TimeSeriesStore
    holdings: Holdings


@pytest.fixture(scope="module")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    server = Influxd(tmp_path_factory.mktemp("influxd"))
    server.start()
    yield server
    server.stop()


def influx_settings(server: Influxd, bucket: str, *, per_user: bool = False) -> StoreSettings:
    return StoreSettings(
        influxdb_url=server.url, influxdb_bucket=bucket, influxdb_bucket_per_user=per_user, _env_file=None
    )


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("one", marks=pytest.mark.peer("influxd")),
        pytest.param("each", marks=pytest.mark.peer("influxd")),
    ]
)
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    """A store, and what it holds."""
    chosen = StoreSettings(data_dir=tmp_path, _env_file=None)
    if request.param != "sqlite":
        server: Influxd = request.getfixturevalue("influxd")
        bucket = f"{request.param}_{request.node.originalname}"
        for name in (bucket, f"{bucket}_1", f"{bucket}_2"):
            server.query(f"CREATE DATABASE {name}")
        chosen = influx_settings(server, bucket, per_user=request.param == "each")
    async with AsyncExitStack() as stack:
        store = await open_store(chosen)
        stack.push_async_callback(store.close)
        holdings = open_holdings(chosen)
        stack.push_async_callback(holdings.close)
        yield Rig(store, holdings)


async def test_whose_readings_there_are(rig: Rig) -> None:
    """Of every owner, at whatever time, each once and in order; who is only in the index has none."""
    assert list(await rig.holdings.devices()) == []
    times = (0, -_DAY_NS, _NOW_NS, _NOW_NS + 365 * _DAY_NS)
    devices = ("b", "a.b:c-d", "Z", "b")
    readings = [Reading(each, 1 + n % 2, f"m{n}", times[n], {"t": 1.0}) for n, each in enumerate(devices)]
    await write(rig.store, readings, -(2**63))
    await rig.holdings.note([LateNote(_NOW_NS, LateRange("gone", 1, 0, 1, 1))])
    assert list(await rig.holdings.devices()) == ["Z", "a.b:c-d", "b"]
    assert list(await rig.holdings.noted()) == ["gone"]


async def test_what_a_store_has_noted_is_read(rig: Rig) -> None:
    """What came late, as the store itself wrote it down when it was written."""
    await write(rig.store, [Reading("d", 2, "m", _NOW_NS - _DAY_NS + n, {"t": 1.0}) for n in range(3)], _NOW_NS)
    expected = LateNote(_NOW_NS, LateRange("d", 2, _NOW_NS - _DAY_NS, _NOW_NS - _DAY_NS + 3, 3))
    assert list(await rig.holdings.notes("d", 0, 2**62)) == [expected]
    assert list(await rig.holdings.notes("d", _NOW_NS, _NOW_NS + 1)) == [expected]
    assert list(await rig.holdings.notes("d", _NOW_NS + 1, 2**62)) == []
    assert list(await rig.holdings.notes("d", 0, _NOW_NS)) == []
    assert list(await rig.holdings.notes("e", 0, 2**62)) == []


async def test_notes_of_any_number(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than a page, of owners of whom one has more than the other; twice the same is once; a resume finds them."""
    monkeypatch.setattr(influxholdings, "_PAGE", 5)
    notes = [LateNote(_NOW_NS + n, LateRange("d", 1, n, n + 10, 1)) for n in range(23)]
    notes += [LateNote(_NOW_NS + 7 * n, LateRange("d", 2, n, n + 10, 1)) for n in range(4)]
    for _ in range(2):
        await rig.holdings.note(notes)
    assert list(await rig.holdings.notes("d", -(2**63), 2**63 - 1)) == sorted(notes)
    found = await rig.store.late(LateQuery([2], _NOW_NS + 7, 2**62))
    assert list(found) == [LateRange("d", 2, 1, 13, 3)]


@pytest.mark.peer("influxd")
async def test_notes_older_than_the_store_keeps(influxd: Influxd) -> None:
    """They are left out, the others are taken, and nobody tries for ever."""
    influxd.query('CREATE DATABASE "kept"')
    influxd.query('CREATE RETENTION POLICY "short" ON "kept" DURATION 30d REPLICATION 1 DEFAULT')
    holdings = open_holdings(influx_settings(influxd, "kept"))
    recent_ns = time.time_ns() - _DAY_NS
    kept = LateNote(recent_ns, LateRange("d", 1, 0, 1, 1))
    await holdings.note([LateNote(recent_ns - 90 * _DAY_NS, LateRange("d", 1, 0, 1, 1)), kept])
    assert list(await holdings.notes("d", 0, 2**62)) == [kept]
    await holdings.close()


@pytest.mark.peer("influxd")
async def test_a_bucket_that_is_not_there(influxd: Influxd) -> None:
    """It is said, and not taken for one with nothing in it."""
    holdings = open_holdings(influx_settings(influxd, "nobody"))
    with pytest.raises(Missing):
        await holdings.devices()
    with pytest.raises(Missing):
        await holdings.note([LateNote(1, LateRange("d", 1, 0, 1, 1))])
    await holdings.close()


async def test_a_file_that_is_none(tmp_path: Path) -> None:
    """An outage, as from the store itself."""
    (tmp_path / "readings.db").write_bytes(b"x" * 5000)
    with pytest.raises(Unavailable, match=r"readings\.db"):
        await sqliteholdings.SqliteHoldings(tmp_path / "readings.db").devices()


def test_what_is_no_answer_is_refused() -> None:
    """Somebody else's JSON is not read as an empty store."""
    with pytest.raises(BadAnswer):
        holdingsql.read_devices([{"values": [["device_id", "d"]]}], own=False)
    with pytest.raises(BadAnswer):
        holdingsql.read_notes("d", [{"tags": {"user_id": "x"}, "values": [[1, 2, 3, 4]]}])
