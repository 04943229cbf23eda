"""POST /api/v1/readings/query: what may be asked of many devices at once, and what comes back."""

import time
from typing import Annotated, Any, Final, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, field_validator

from services.api.errors import BadRequest
from services.api.inputs import Text
from services.api.moments import Epoch, Moment
from services.api.readings.downsample import FEWEST, Method
from services.api.readings.fill import Fill
from services.api.readings.schemas import MAX_DEVICES
from shared.readings import Value
from shared.times import parse_time_ns
from shared.timeseries.calendar import parse_every
from shared.timeseries.store import Aggregate, Kind

MAX_METRICS: Final = 100
MAX_POINTS: Final = 10_000


def _devices(value: Any) -> Any:
    if value == "*":
        return []
    if not isinstance(value, list) or not value:
        raise ValueError('is "*" for all, or a list of device ids')
    return value


def _number(value: Any) -> Any:
    """A number of JSON is told by its magnitude, like one in a query string."""
    plain = isinstance(value, int) and not isinstance(value, bool)
    return parse_time_ns(str(value), time.time_ns()) if plain and value else value


def _zero(value: Any) -> Any:
    return "0" if value == 0 and not isinstance(value, bool) else value


BodyMoment = Annotated[
    Moment,
    BeforeValidator(_number),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["-7d", "2026-01-01T00:00:00Z", 1767225600, "now"]}),
]


class ReadingsQuestion(BaseModel):
    """Readings of many devices: as they were sent, downsampled, or as aggregates in windows."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "devices": ["test_device"],
                    "metrics": ["temperature"],
                    "start": "-7d",
                    "end": "now",
                    "every": "1d",
                    "aggregates": ["mean", "min", "max"],
                    "timezone": "Europe/Berlin",
                    "fill": "null",
                }
            ]
        },
    )

    devices: Annotated[
        list[Text],
        Field(max_length=MAX_DEVICES),
        BeforeValidator(_devices),
        WithJsonSchema({"anyOf": [{"type": "array", "items": {"type": "string"}}, {"const": "*"}]}),
    ] = Field(description='Their ids, at most 1,000, or `"*"` for all that you may see.')
    metrics: list[Text] = Field(min_length=1, max_length=MAX_METRICS, description="At most 100.")
    start: BodyMoment = Field(description="From here, inclusive.")
    end: BodyMoment = Field(description="Up to here, exclusive.")
    every: str | None = Field(None, description="Windows: `10s`, `5m`, `1h`, `1d`, `1w`, `1mo`, `1y`.")
    aggregates: list[Aggregate] | None = Field(
        None, min_length=1, max_length=10, description="Of each window (default: the mean), or of the whole range."
    )
    timezone: str = Field("UTC", max_length=64, description="Whose days, weeks, months and years: an IANA name.")
    fill: Annotated[Fill, BeforeValidator(_zero)] = Field("none", description="What stands in empty windows.")
    max_points: int | None = Field(
        None, ge=FEWEST, le=MAX_POINTS, description="Downsample to so many for each device and metric."
    )
    downsample: Method = Field("lttb", description="How: `lttb` keeps the shape, `minmax` every peak.")
    cursor: str | None = Field(None, max_length=1024, description="Of the page before; the rest as it was.")
    epoch: Epoch | None = Field(None, description="Times as integers in this unit, rounded down.")

    @field_validator("every")
    @classmethod
    def _a_width(cls, every: str | None) -> str | None:
        if every is not None:
            parse_every(every)
        return every

    @field_validator("timezone")
    @classmethod
    def _a_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError("is no time zone: write it as Europe/Berlin, or leave it out for UTC") from error
        return name

    @property
    def everybody(self) -> bool:
        """Whether `*` was asked for."""
        return not self.devices

    @property
    def told(self) -> list[Aggregate]:
        """The aggregates of each window; none for readings as they were sent."""
        given = self.aggregates or (["mean"] if self.every else [])
        return list(dict.fromkeys(given))

    def checked(self) -> Self:
        """Itself, if its parts go together; raises BadRequest."""
        if self.start >= self.end:
            raise BadRequest("start must be before end", "empty_range", field="start")
        if self.max_points is not None and self.told:
            message = "max_points goes with readings as they were sent: leave out every and aggregates, or max_points"
            raise BadRequest(message, "bad_query", field="max_points")
        if self.fill != "none" and self.every is None:
            raise BadRequest("fill goes with windows: say how wide with every", "bad_query", field="fill")
        return self


class SeriesOut(BaseModel):
    """One metric of one device, one row per point or window; `rows` has the values in the order of `columns`."""

    device_id: str
    user_id: int = Field(description="Whose it was: a device that changed hands has a series for each owner.")
    measurement: str
    metric: str
    type: Kind = Field(description="Of strings and booleans only `count`, `first` and `last` are told, else null.")
    columns: list[str] = Field(examples=[["time", "mean", "max"]])
    rows: list[list[Value | None]] = Field(examples=[[["2026-01-01T00:00:00.000000000Z", 20.5, 23.0]]])


class SeriesPage(BaseModel):
    """`cursor` leads to the next page; null on the last one. `unknown`: devices that are not there for you."""

    series: list[SeriesOut]
    unknown: list[str]
    cursor: str | None
