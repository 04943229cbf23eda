"""Device profiles: what a kind of device measures, in which unit, type and range, and whether it may say more."""

import math
from collections.abc import Mapping
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from shared.identifiers import OWN_MEASUREMENTS, MetricName

MetricType = Literal["number", "string", "boolean"]


class Metric(BaseModel):
    """One metric of a profile; `unit` is for people, `minimum` and `maximum` are inclusive."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: MetricType = "number"
    unit: str = Field("", max_length=32)
    minimum: float | None = None
    maximum: float | None = None

    @property
    def bounded(self) -> bool:
        return self.minimum is not None or self.maximum is not None

    @property
    def range(self) -> tuple[float, float]:
        """The least and the greatest number that is kept."""
        return (
            -math.inf if self.minimum is None else self.minimum,
            math.inf if self.maximum is None else self.maximum,
        )


class Profile(BaseModel):
    """A device type. `open`: metrics that it doesn't name are taken too, as they are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    measurement: MetricName
    metrics: Mapping[MetricName, Metric] = {}
    open: bool = True

    @field_validator("measurement")
    @classmethod
    def _not_our_own(cls, measurement: str) -> str:
        if measurement in OWN_MEASUREMENTS:
            raise ValueError(f"{measurement} is kept for the store itself: choose another name")
        return measurement


ENVIRONMENT: Final = Profile(
    name="environment",
    measurement="sensor_data",
    metrics={"temperature": Metric(unit="°C"), "humidity": Metric(unit="%"), "pressure": Metric(unit="hPa")},
)
KNEE: Final = Profile(
    name="knee", measurement="knee_data", metrics={axis: Metric() for axis in ("x", "y", "z")}, open=False
)
OPEN: Final = Profile(name="open", measurement="telemetry")

PROFILES: Final[Mapping[str, Profile]] = {profile.name: profile for profile in (ENVIRONMENT, KNEE, OPEN)}
DEFAULT_PROFILE: Final = ENVIRONMENT.name
