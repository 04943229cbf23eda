"""Profiles: what may be sent, and what is told."""

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, RootModel, field_validator, model_validator

from services.api.inputs import storable
from shared.identifiers import MetricName
from shared.profiles import MAX_METRICS, Metric
from shared.profiles import Profile as KnownProfile

Metrics = Mapping[MetricName, Metric]


def _keepable(metrics: Metrics) -> Metrics:
    for metric in metrics.values():
        storable(metric.unit)
    return metrics


class NewProfile(KnownProfile):
    """A kind of device. `open`: metrics that it does not name are taken too, as they are."""

    # beside these keys others are left alone, so that what was read may be sent back; within a metric they are slips
    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={
            "example": {
                "name": "boiler",
                "measurement": "boiler_data",
                "metrics": {"pressure": {"type": "number", "unit": "bar", "minimum": 0, "maximum": 16}},
                "open": False,
            }
        },
    )

    _units = field_validator("metrics")(_keepable)


class ProfileChange(BaseModel):
    """Only what is given changes; `metrics` as a whole."""

    name: str | None = Field(None, description="May be sent back as it was read; it can't be changed.")
    measurement: MetricName = Field("", description="Where readings go from now on; the older ones stay and are read.")
    metrics: Metrics = Field({}, max_length=MAX_METRICS)
    open: bool = True

    _units = field_validator("metrics")(_keepable)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set & {"measurement", "metrics", "open"}:
            raise ValueError("give at least one of measurement, metrics and open")
        return self


class MetricShown(BaseModel):
    type: Literal["number", "string", "boolean"]
    unit: str
    minimum: float | None = Field(description="Numbers below it are refused, alone.")
    maximum: float | None


class Profile(BaseModel):
    name: str
    measurement: str = Field(description="The measurement of the time-series store that its readings go to.")
    metrics: dict[str, MetricShown]
    open: bool = Field(description="Whether metrics that it does not name are taken too.")
    builtin: bool = Field(description="Built-in ones can neither be changed nor deleted.")
    updated_at: str | None


class ProfilesPage(BaseModel):
    data: list[Profile]
    total: int
    page: int
    per_page: int


class Profiles(RootModel[list[Profile] | ProfilesPage]):
    """An array, or one page of it if `page` or `per_page` was asked."""
