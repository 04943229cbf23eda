"""What `telemetrio up` can be told, and the search for settings that nobody reads."""

import os
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

from dotenv import dotenv_values
from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from services.api.settings import ApiSettings
from services.ingest.settings import IngestSettings
from services.realtime.settings import ProcessSettings, RealtimeSettings
from shared.broker import BrokerSettings
from shared.process import ExitCode, Refusal
from shared.settings import PREFIX, ServiceSettings
from shared.timeseries.settings import StoreSettings

_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class UpSettings(ServiceSettings):
    """Read by `telemetrio up` alone; see docs/settings.md."""

    host: str = Field("localhost", description="Where it listens. `localhost`: 127.0.0.1 and ::1.")
    port: int = Field(5000, ge=0, le=65535, description="The port of the web: API, dashboard and live streams.")
    mqtt_port: int = Field(1883, ge=0, le=65535, description="The port of MQTT, for devices.")

    @field_validator("host")
    @classmethod
    def _loopback_only(cls, host: str) -> str:
        if host.strip("[]") not in _LOOPBACK:
            raise ValueError(
                f"{host} is not a loopback address. Without accounts everybody who reaches this port would be admin: "
                "leave it at localhost, and reach it from elsewhere by `ssh -L 5000:localhost:5000`"
            )
        return host.strip("[]")

    @property
    def hosts(self) -> tuple[str, ...]:
        return ("127.0.0.1", "::1") if self.host == "localhost" else (self.host,)


ALL: Final[tuple[type[BaseSettings], ...]] = (
    UpSettings,
    IngestSettings,
    ApiSettings,
    RealtimeSettings,
    ProcessSettings,
    BrokerSettings,
    StoreSettings,
)


def refuse_unknown(classes: Iterable[type[BaseSettings]] = ALL) -> None:
    """Raise Refusal for a TELEMETRIO_* in the environment or `.env` that no class reads: it is a slip of the pen."""
    known = {f"{PREFIX}{name.upper()}" for each in classes for name in each.model_fields}
    for name in sorted({*os.environ, *(name.upper() for name in dotenv_values(".env"))}):
        if name.startswith(PREFIX) and name not in known:
            close = get_close_matches(name, known, 1)
            mend = f"did you mean {close[0]}?" if close else "docs/settings.md lists them all"
            raise Refusal(f"{name}: there is no such setting; {mend}", ExitCode.WRONG_SETTINGS)
