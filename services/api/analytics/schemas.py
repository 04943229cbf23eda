"""Analytics: what may be asked, and what is told."""

from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema

from services.api.analytics.windows import EVERY_PATTERN, Every, parse_every
from services.api.inputs import CommaList, Query
from services.api.moments import Moment
from services.api.zones import Zone

MAX_DEVICES: Final = 20
DAY_NS: Final = 86_400 * 1_000_000_000


def _every(value: Any) -> Any:
    return parse_every(value) if isinstance(value, str) else value


Length = Annotated[
    Every,
    BeforeValidator(_every),
    WithJsonSchema({"type": "string", "pattern": EVERY_PATTERN, "examples": ["5m", "1h", "1d", "1w", "1mo"]}),
]
Comparison = Literal["devices", "previous"] | Moment


class AnalyticsQuery(Query):
    """Everything but `devices` may be left out."""

    devices: CommaList | None = Field(None, description="Which devices, comma-separated: 1 to 20. Required.")
    metrics: CommaList | None = Field(None, description="Only these, comma-separated. Default: every number.")
    start: Moment | None = Field(None, description="From here, inclusive. Default: 24 hours before `end`.")
    end: Moment | None = Field(None, description="Up to here, exclusive. Default: now.")
    every: Length | None = Field(None, description="How long a window is: s, m, h, d, w, mo, y. Default: no windows.")
    timezone: Zone = Field(ZoneInfo("UTC"), description="Where days begin: an IANA name. Default: UTC.")
    bins: int = Field(20, ge=1, le=100, description="How many bins a histogram has.")
    prominence: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="Of a knee: what the magnitude must rise and fall by in a repetition. "
        "In the unit of x, y, z; default: a third of its range.",
    )
    compare: Comparison | None = Field(
        None,
        description="`devices`: the others with the first one. `previous`: with the same time before. "
        "A time: with a range as long that begins there.",
    )


class FiguresOut(BaseModel):
    """In the metric's own unit."""

    count: int
    mean: float
    min: float
    max: float
    stddev: float | None = Field(description="Of the sample; null for a single reading.")
    median: float
    p95: float = Field(description="The nearest rank: sorted[floor(0.95 n + 0.5) - 1].")


class WindowOut(FiguresOut):
    start: str
    end: str


class DifferenceOut(BaseModel):
    """Figure by figure; null where either has none."""

    count: int
    mean: float
    min: float
    max: float
    stddev: float | None
    median: float
    p95: float


class ChangeOut(BaseModel):
    """Per second; null where there are no two readings at different times."""

    mean_per_s: float | None = Field(description="From the first to the last reading.")
    max_rise_per_s: float | None = Field(description="The greatest between two neighbours.")
    max_fall_per_s: float | None = Field(description="The least between two neighbours.")


class HistogramOut(BaseModel):
    """A bin takes its lower edge and leaves its upper one, but for the last."""

    edges: list[float]
    counts: list[int]


class MetricOut(FiguresOut):
    change: ChangeOut
    histogram: HistogramOut
    windows: list[WindowOut] | None = Field(description="Windows with readings; null without `every`.")


class KneeWindow(BaseModel):
    start: str
    end: str
    repetitions: int
    range_of_motion: float = Field(description="Of the magnitude.")


class KneeOut(BaseModel):
    """Motion, in the unit of x, y and z. The metric `magnitude` is sqrt(x² + y² + z²)."""

    range_of_motion: dict[str, float] = Field(description="Greatest minus least, of x, y, z and magnitude.")
    repetitions: int = Field(description="Peaks of the magnitude that rise and fall by at least `prominence`.")
    prominence: float
    seconds_per_repetition: float | None = Field(description="The median time between two of them.")
    windows: list[KneeWindow] | None


class DeviceOut(BaseModel):
    device_id: str
    metrics: dict[str, MetricOut]
    knee: KneeOut | None = Field(description="null unless x, y and z were measured together.")


class DevicesCompared(BaseModel):
    """Each other device minus `base`."""

    base: str
    devices: dict[str, dict[str, DifferenceOut]]


class PeriodOut(BaseModel):
    figures: dict[str, FiguresOut] = Field(description="Then.")
    difference: dict[str, DifferenceOut] = Field(description="Now minus then.")


class PeriodsCompared(BaseModel):
    start: str
    end: str
    devices: dict[str, PeriodOut]


class Analytics(BaseModel):
    start: str
    end: str
    timezone: str
    points: int = Field(description="How many were read for this answer.")
    unknown: list[str] = Field(description="Devices that are not there, or somebody else's.")
    devices: list[DeviceOut]
    comparison: DevicesCompared | PeriodsCompared | None
