"""What `telemetrio up` can be told, and the search for settings that nobody reads."""

import os
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

from dotenv import dotenv_values
from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from services.api.settings import ApiSettings
from services.ingest.settings import IngestSettings
from services.realtime.settings import RealtimeSettings
from shared.broker import BrokerSettings
from shared.process import ExitCode, Refusal
from shared.secretkey import weakness
from shared.settings import PREFIX, WebSettings
from shared.timeseries.settings import StoreSettings

_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class UpSettings(WebSettings):
    """Read by `telemetrio up` alone; see docs/settings.md."""

    host: str = Field("localhost", description="Where it listens. `localhost`: 127.0.0.1 and ::1.")
    port: int = Field(5000, ge=0, le=65535, description="The port of the web: API, dashboard and live streams.")
    mqtt_port: int = Field(1883, ge=0, le=65535, description="The port of MQTT, for devices.")

    @field_validator("host")
    @classmethod
    def _loopback_only(cls, host: str, given: ValidationInfo) -> str:
        if host.strip("[]") not in _LOOPBACK and given.data.get("auth") != "required":
            raise ValueError(
                f"{host} is not a loopback address. Without accounts everybody who reaches this port would be admin: "
                "set TELEMETRIO_AUTH=required, or leave it at localhost, and reach it from elsewhere by "
                "`ssh -L 5000:localhost:5000`"
            )
        return host.strip("[]")

    @property
    def hosts(self) -> tuple[str, ...]:
        return _LOOPBACK[1:] if self.host == "localhost" else (self.host,)

    @property
    def mqtt_hosts(self) -> tuple[str, ...]:
        """Loopback whatever the web does: devices have no credentials yet."""
        return self.hosts if self.host in _LOOPBACK else _LOOPBACK[1:]

    @property
    def exposed(self) -> bool:
        """Whether others than the people of this machine can reach it, by itself or through a proxy."""
        elsewhere = {name.strip("[]") for name in self.allowed_hosts} - {*_LOOPBACK}
        return self.host not in _LOOPBACK or self.trusted_hops > 0 or bool(elsewhere)


def refuse_weak_secret(settings: UpSettings) -> None:
    """Raise Refusal for a secret that others could guess, where others can reach it."""
    flaw = weakness(settings.secret) if settings.secret and settings.exposed else None
    if flaw is not None:
        raise Refusal(f"TELEMETRIO_SECRET_KEY: {flaw}", ExitCode.WRONG_SETTINGS)


ALL: Final[tuple[type[BaseSettings], ...]] = (
    UpSettings,
    IngestSettings,
    ApiSettings,
    RealtimeSettings,
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
