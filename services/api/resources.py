"""What the routes work with: opened by the process, handed to create_app, reached through the current app."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, cast

from quart import current_app
from sqlalchemy.ext.asyncio import AsyncEngine

from services.api.credentials.usernames import Named
from services.api.errors import Away
from services.api.settings import ApiSettings
from services.api.streaming import Streams
from shared.changes import ANY, Changed
from shared.commands import AnyCommand
from shared.health import Health
from shared.timeseries.store import TimeSeriesStore
from shared.topics import DEVICE_PREFIX

KEY: Final = "telemetrio"


class Commander(Protocol):
    """Hands commands to the ingest workers."""

    async def command(self, source: str, command: AnyCommand) -> None:
        """Return when it can't get lost any more: the worker, or the broker for it, has it; raises Away."""


class Admission(Protocol):
    """Tells the broker whom to let in."""

    def username(self, device_id: str, name: str) -> str:
        """As whom a device presents its credential of this name."""

    async def admit(self, device_id: str, name: str, password: str, *, disabled: bool = False) -> None:
        """Return when the broker lets the device in with this password, unless it is `disabled`; raises Away."""


class AskedLater:
    """Of an api whose broker knows by itself, or asks when somebody knocks, what is in the database.

    `named`: each credential has a name of its own there.
    """

    def __init__(self, *, named: bool = False) -> None:
        self._named = named

    def look(self) -> None:
        """It will see for itself."""

    async def run(self) -> None:
        """There is nothing to do, until cancelled."""
        await asyncio.Event().wait()

    def username(self, device_id: str, name: str) -> str:
        return Named(device_id, name).username if self._named else device_id

    async def admit(self, device_id: str, name: str, password: str, *, disabled: bool = False) -> None:
        """Nothing to be told."""


class NoCommander:
    """Of an api that has no way to ingest."""

    async def command(self, source: str, command: AnyCommand) -> None:  # noqa: ARG002 - nobody is there to take it
        raise Away(f"The ingest worker {source} can't be reached from here", "ingest_unavailable")


@dataclass(frozen=True, slots=True)
class Resources:
    """`web_dir`: the built dashboard, which may be missing. `mqtt_port`: of a broker in the same process.

    `registry_changed` is called after a device, profile, user or key was changed, with what it was, if it is one.
    `tables_ready`: false while the relational database has yet to be brought up to date.
    `secret`: what tokens are signed with; empty: that of the settings, or one that lasts as long as the process.
    `broker_secret`: what a broker that asks proves itself with; empty: none asks.
    `streams`: to be drained when the process ends.
    """

    settings: ApiSettings
    engine: AsyncEngine
    store: TimeSeriesStore
    health: Health
    version: str
    web_dir: Path
    registry_changed: Changed = lambda _=ANY: None
    mqtt_port: int | None = None
    commander: Commander = field(default_factory=NoCommander)
    secret: str = ""
    streams: Streams = field(default_factory=Streams)
    tables_ready: Callable[[], bool] = lambda: True
    broker_secret: str = ""
    device_prefixes: Sequence[str] = (DEVICE_PREFIX,)
    admission: Admission = field(default_factory=AskedLater)


def resources() -> Resources:
    """Those of the app that serves this request."""
    return cast("Resources", current_app.extensions[KEY])
