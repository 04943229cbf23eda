"""What the routes work with: opened by the process, handed to create_app, reached through the current app."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, cast

from quart import current_app
from sqlalchemy.ext.asyncio import AsyncEngine

from services.api.errors import Away
from services.api.settings import ApiSettings
from services.api.streaming import Streams
from shared.changes import ANY, Changed
from shared.commands import AnyCommand
from shared.health import Health
from shared.timeseries.store import TimeSeriesStore

KEY: Final = "telemetrio"


class Commander(Protocol):
    """Hands commands to the ingest workers."""

    async def command(self, source: str, command: AnyCommand) -> None:
        """Return when it can't get lost any more: the worker, or the broker for it, has it; raises Away."""


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


def resources() -> Resources:
    """Those of the app that serves this request."""
    return cast("Resources", current_app.extensions[KEY])
