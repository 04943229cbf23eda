"""Device profiles: what a kind of device measures, in which unit, type and range, and whether it may say more."""

import math
from collections.abc import Mapping
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from shared.identifiers import RESERVED_METRICS, RESERVED_SUFFIXES, MetricName, ProfileName

MAX_METRICS: Final = 1_000

MetricType = Literal["number", "string", "boolean"]


_OWN: Final = "telemetrio_"


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

    @model_validator(mode="after")
    def _range(self) -> Self:
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError("minimum is above maximum: no value could be kept")
        return self


class Profile(BaseModel):
    """A device type. `open`: metrics that it doesn't name are taken too, as they are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ProfileName
    measurement: MetricName
    metrics: Mapping[MetricName, Metric] = Field({}, max_length=MAX_METRICS)
    open: bool = True

    @field_validator("measurement")
    @classmethod
    def _not_ours(cls, measurement: str) -> str:
        if measurement.startswith(_OWN):
            raise ValueError(f"{_OWN}… is for telemetrio itself: choose another name")
        return measurement

    @field_validator("metrics")
    @classmethod
    def _to_be_had(cls, metrics: Mapping[str, Metric]) -> Mapping[str, Metric]:
        for name in metrics:
            if name in RESERVED_METRICS or name.endswith(RESERVED_SUFFIXES):
                raise ValueError(f"no metric can be called {name}: choose another name")
        return metrics

    @property
    def document(self) -> dict[str, Any]:
        """What is kept of it beside its name."""
        return self.model_dump(mode="json", exclude={"name"})


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


def check_own_name(name: str) -> str:
    """Return a name that an operator may give; raises ValueError for that of a built-in profile."""
    if name in PROFILES:
        raise ValueError(f"{name} is built in and can't be changed: choose another name")
    return name


def read_profile(name: str, document: Any) -> Profile:
    """What `document` says, checked; raises ValueError with one sentence that names the field and what is wrong."""
    if not isinstance(document, Mapping):
        raise ValueError(f"profile {name!r}: not an object")  # noqa: TRY004 - whoever wrote it is told all alike
    try:
        return Profile.model_validate({**document, "name": check_own_name(name)})
    except ValidationError as error:
        seen = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, seen["loc"])) or "it"
        raise ValueError(f"profile {name!r}: {field}: {seen['msg'].removeprefix('Value error, ')}") from error
