"""What `telemetrio up` can be told, and the search for settings that nobody reads."""

import os
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

from dotenv import dotenv_values
from pydantic import Field
from pydantic_settings import BaseSettings

from services.api.settings import AdmissionSettings, ApiSettings, BucketSettings
from services.api.settings import ProcessSettings as ApiProcessSettings
from services.ingest.settings import IngestSettings
from services.realtime.settings import ProcessSettings as RealtimeProcessSettings
from services.realtime.settings import RealtimeSettings
from shared.broker import BrokerSettings
from shared.process import ExitCode, Refusal
from shared.reach import LOOPBACK, ReachSettings
from shared.settings import PREFIX
from shared.timeseries.settings import StoreSettings
from telemetrio.remote.settings import RemoteSettings


class UpSettings(ReachSettings):
    """Read by `telemetrio up` alone; see docs/settings.md."""

    port: int = Field(5000, ge=0, le=65535, description="The port of the web: API, dashboard and live streams.")
    mqtt_port: int = Field(1883, ge=0, le=65535, description="The port of MQTT, for devices.")

    @property
    def mqtt_hosts(self) -> tuple[str, ...]:
        """Loopback whatever the web does: it has no TLS, and a device without credentials is anybody's."""
        return self.hosts if self.host in LOOPBACK else LOOPBACK[1:]


ALL: Final[tuple[type[BaseSettings], ...]] = (
    UpSettings,
    IngestSettings,
    ApiSettings,
    ApiProcessSettings,
    AdmissionSettings,
    RealtimeSettings,
    RealtimeProcessSettings,
    BrokerSettings,
    StoreSettings,
    BucketSettings,
    RemoteSettings,
)


def refuse_unknown(classes: Iterable[type[BaseSettings]] = ALL) -> None:
    """Raise Refusal for a TELEMETRIO_* in the environment or `.env` that no class reads: it is a slip of the pen."""
    known = {f"{PREFIX}{name.upper()}" for each in classes for name in each.model_fields}
    for name in sorted({*os.environ, *(name.upper() for name in dotenv_values(".env"))}):
        if name.startswith(PREFIX) and name not in known:
            close = get_close_matches(name, known, 1)
            mend = f"did you mean {close[0]}?" if close else "docs/settings.md lists them all"
            raise Refusal(f"{name}: there is no such setting; {mend}", ExitCode.WRONG_SETTINGS)
