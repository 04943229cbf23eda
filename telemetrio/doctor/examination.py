"""The examination: every check, by name, as far as the settings say that there is something to look at."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NamedTuple

import asyncpg  # type: ignore[import-untyped] # ships no types; only its exceptions are named
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ingest.settings import IngestSettings
from shared.broker import BrokerSettings
from shared.database.engine import open_engine
from shared.settings import read_settings
from shared.timeseries.influxhttp import target_of
from shared.timeseries.settings import StoreSettings
from telemetrio.doctor.books import check_ledger, check_outboxes
from telemetrio.doctor.broker import check_broker, check_queue, check_share
from telemetrio.doctor.clock import check_clock_by, check_clock_of
from telemetrio.doctor.database import check_migrations
from telemetrio.doctor.disk import check_disk
from telemetrio.doctor.finding import Finding
from telemetrio.doctor.proxy import check_proxy
from telemetrio.doctor.store import check_query, check_write
from telemetrio.remote.settings import RemoteSettings

NAMES: Final = ("broker", "queue", "share", "write", "query", "clock", "disk", "migrations", "books", "proxy")

Check = Callable[[], Awaitable[Sequence[Finding]]]


class Patient(NamedTuple):
    """What is examined. `url`: what browsers open; empty: there is no proxy. `key`: as whom live streams are opened."""

    ingest: IngestSettings
    broker: BrokerSettings
    store: StoreSettings
    url: str = ""
    key: str = ""

    @property
    def networked(self) -> bool:
        """Whether there is a broker that somebody named: that of `telemetrio up` has no limits to look for."""
        return "mqtt_url" in self.broker.model_fields_set


@dataclass(slots=True)
class Report:
    """`examined`: the names of the checks; `left_out`: the others, and why."""

    findings: list[Finding] = field(default_factory=list)
    examined: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def healthy(self) -> bool:
        return not self.findings


def read_all(url: str = "", **flags: Any) -> Patient:
    """Raises Refusal for wrong settings."""
    ingest = read_settings(IngestSettings, **flags)
    same = {"data_dir": ingest.data_dir}
    key = read_settings(RemoteSettings).key if url else ""
    return Patient(ingest, read_settings(BrokerSettings, **same), read_settings(StoreSettings, **same), url, key)


async def examine(patient: Patient, skip: Sequence[str], begin: Callable[[str], None] = lambda _: None) -> Report:
    """One check after the other, each told to `begin`: they are to find load, and not to make it."""
    report = Report()
    async with AsyncExitStack() as stack:
        engine = open_engine(patient.ingest.database, 10.0)
        stack.push_async_callback(engine.dispose)
        checks, idle = _checks(patient, engine), _idle(patient)
        for name in NAMES:
            if name in skip or name in idle:
                report.left_out[name] = "as asked" if name in skip else idle[name]
                continue
            begin(name)
            for check in checks[name]:
                report.findings += await _carried_out(name, check, engine)
            report.examined.append(name)
    return report


def _checks(patient: Patient, engine: AsyncEngine) -> dict[str, list[Check]]:
    settings, store = patient.ingest, patient.store
    target = target_of(store)

    async def disk() -> Sequence[Finding]:
        return check_disk(settings.data_dir, settings.min_free_disk_mib)

    async def outboxes() -> Sequence[Finding]:
        return check_outboxes(settings.data_dir)

    clocks: list[Check] = []
    if store.influxdb_url:
        clocks.append(partial(check_clock_by, f"{store.influxdb_url}/ping", ca_file=store.influxdb_ca_file))
    if settings.database.startswith("postgresql"):
        clocks.append(partial(check_clock_of, engine))
    if patient.url:
        clocks.append(partial(check_clock_by, patient.url))
    return {
        "broker": [partial(check_broker, patient.broker)],
        "queue": [partial(check_queue, patient.broker)],
        "share": [partial(check_share, patient.broker)],
        "write": [partial(check_write, target)],
        "query": [partial(check_query, target)],
        "clock": clocks,
        "disk": [disk],
        "migrations": [partial(check_migrations, engine)],
        "books": [outboxes, partial(check_ledger, engine)],
        "proxy": [partial(check_proxy, patient.url, patient.key)],
    }


def _idle(patient: Patient) -> dict[str, str]:
    """Checks that have nothing to look at, and why."""
    idle: dict[str, str] = {}
    if not patient.networked:
        idle |= dict.fromkeys(("broker", "queue", "share"), "TELEMETRIO_MQTT_URL is not set")
    elif not patient.ingest.share_group:
        idle["share"] = "TELEMETRIO_SHARE_GROUP is not set"
    if not patient.store.influxdb_url:
        idle |= dict.fromkeys(("write", "query"), "TELEMETRIO_INFLUXDB_URL is not set")
    elif patient.store.influxdb_bucket_per_user:
        idle |= dict.fromkeys(("write", "query"), "TELEMETRIO_INFLUXDB_BUCKET_PER_USER: /readyz tells of each bucket")
    if not patient.url:
        idle["proxy"] = "no --url was given"
        if not patient.store.influxdb_url and not patient.ingest.database.startswith("postgresql"):
            idle["clock"] = "there is no other machine to compare with"
    return idle


async def _carried_out(name: str, check: Check, engine: AsyncEngine) -> Sequence[Finding]:
    """What the database raises is a finding like others: each check that asks it stands on its own."""
    try:
        return await check()
    except (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        means = "devices, users and dead letters can't be looked at or changed; telemetry goes on"
        mend = "start PostgreSQL; look at TELEMETRIO_DATABASE_URL; then telemetrio db upgrade"
        if engine.dialect.name == "sqlite":
            mend = f"look who may read {engine.url.database}; if it is damaged, restore a backup (telemetrio restore)"
        return [Finding(name, f"The database can't be asked: {said}"[:500], means, mend)]
