"""What ingest can be told from outside."""

import math
from typing import Literal

from pydantic import Field, field_validator

from shared.settings import ServiceSettings
from shared.topics import DEVICE_PREFIX, check_prefix


class IngestSettings(ServiceSettings):
    """Read by `telemetrio up` and `telemetrio ingest`; see docs/settings.md."""

    source: str = Field(
        "ingest",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$",
        description="This worker's stable, unique name; each has a data directory of its own.",
    )
    device_prefix: str = Field(DEVICE_PREFIX, description="What devices' topics begin with.")
    unknown_devices: Literal["register", "refuse"] = Field(
        "refuse", description="What becomes of a device that nobody has added. `telemetrio up` registers it."
    )
    device_messages_per_s: float | None = Field(
        None, gt=0, le=1_000_000, description="What one device says beyond it is only counted. Empty: no limit."
    )
    device_burst: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="So many messages of a device at once are within its rate. Empty: twice it.",
    )
    max_age_s: float | None = Field(None, gt=0, description="Readings older than this are refused. Empty: none are.")
    max_ahead_s: float = Field(300.0, ge=0, description="Readings further in the future than this are refused.")
    max_outbox_mib: int = Field(2048, ge=32, description="Above this, devices are not acknowledged until it drains.")
    min_free_disk_mib: int = Field(256, ge=0, description="Below this, devices are not acknowledged.")
    max_dead_letters_mib: int = Field(512, ge=1, description="Above this, of a new dead letter only a count is kept.")
    share_group: str = Field(
        "",
        pattern=r"^[A-Za-z0-9_-]*$",
        description="Shared subscription of several workers. Only where the broker hands a dead member's messages on.",
    )
    health_host: str = Field("127.0.0.1", description="Where `telemetrio ingest` answers for its health.")
    health_port: int = Field(5002, ge=0, le=65535, description="The port of that.")

    _prefix = field_validator("device_prefix")(check_prefix)

    @property
    def burst(self) -> int:
        """Messages of one device at once: never none, or it could not say a word."""
        if self.device_burst is not None:
            return self.device_burst
        return math.ceil(2 * (self.device_messages_per_s or 1))
