"""InfluxDB over https: a stand-in with a certificate that a private authority has signed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from shared.readings import Reading
from shared.settings import read_settings
from shared.timeseries.influx import InfluxStore
from shared.timeseries.influxhttp import Target
from shared.timeseries.opening import open_store
from shared.timeseries.settings import StoreSettings
from shared.timeseries.store import RawQuery, Unavailable
from tests.fakes.batches import write
from tests.fakes.influxdb import FakeInflux
from tests.peers.certificates import authority

pytestmark = pytest.mark.peer("openssl")
READING = Reading("d1", 1, "m", 5, {"v": 1.0})
EVERYTHING = RawQuery("d1", [1], 0, 2**62, 10)


@asynccontextmanager
async def opened(url: str, ca_file: Path | None) -> AsyncIterator[InfluxStore]:
    store = InfluxStore(Target(url, "t", "o", "b", ca_file))
    try:
        yield store
    finally:
        await store.close()


async def test_a_private_authority_is_trusted_by_its_file(tmp_path: Path) -> None:
    """What it signed is written to and read from."""
    ours = authority(tmp_path)
    async with FakeInflux("2.7.12", "t").running(ours.server(tmp_path)) as fake:
        assert fake.url.startswith("https://")
        given = {"influxdb_url": fake.url, "influxdb_token": "t", "influxdb_bucket": "b"}
        store = await open_store(read_settings(StoreSettings, influxdb_ca_file=ours.certificate, **given))
        await write(store, [READING])
        assert (await store.raw(EVERYTHING)).readings == [READING]
        await store.ping()
        await store.close()


async def test_nobody_else_is_given_readings_or_token(tmp_path: Path) -> None:
    """Signed by another authority, or by one that the system does not know: an outage that names the mend."""
    ours, other = authority(tmp_path), authority(tmp_path, "other")
    async with FakeInflux("2.7.12", "t").running(ours.server(tmp_path)) as fake:
        for trusted in (None, other.certificate):
            async with opened(fake.url, trusted) as store:
                for asked in (write(store, [READING]), store.raw(EVERYTHING), store.ping()):
                    with pytest.raises(Unavailable, match=r"not trusted: .*TELEMETRIO_INFLUXDB_CA_FILE"):
                        await asked
        assert (fake.pings, fake.writes, fake.queries) == (0, [], [])


async def test_a_certificate_for_another_name_is_not_enough(tmp_path: Path) -> None:
    """However well it is signed."""
    ours = authority(tmp_path)
    async with FakeInflux("2.7.12", "t").running(ours.server(tmp_path, "DNS:elsewhere.example")) as fake:
        async with opened(fake.url, ours.certificate) as store:
            with pytest.raises(Unavailable, match=r"not trusted: .*127"):
                await write(store, [READING])
        assert fake.pings == 0
