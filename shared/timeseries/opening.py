"""Which store a process works with, by its settings."""

from shared.timeseries.settings import StoreSettings
from shared.timeseries.sqlite import SqliteStore
from shared.timeseries.store import TimeSeriesStore


async def open_store(settings: StoreSettings) -> TimeSeriesStore:
    """InfluxDB if there is a URL, reached when it is first used; else the file `readings.db` of the data directory."""
    if settings.influxdb_url:
        # here, because the client takes 40 MB and most of a second, which SQLite's users need not spend
        from shared.timeseries.buckets import BucketPerUser  # noqa: PLC0415 - see above
        from shared.timeseries.influx import InfluxStore  # noqa: PLC0415 - see above
        from shared.timeseries.influxhttp import target_of  # noqa: PLC0415 - see above

        target = target_of(settings)
        return BucketPerUser(target) if settings.influxdb_bucket_per_user else InfluxStore(target)
    store = SqliteStore(settings.data_dir / "readings.db")
    await store.open()
    return store
