"""GET /api/v1/web/analytics."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from quart import Blueprint, Response
from quart_schema import document_querystring, document_response, tag

from services.api.analytics import report
from services.api.analytics.knee import AXES, MAGNITUDE
from services.api.analytics.queries import known_devices
from services.api.analytics.recording import Recording
from services.api.analytics.scan import PAGE, Budget, record
from services.api.analytics.schemas import DAY_NS, MAX_DEVICES, Analytics, AnalyticsQuery
from services.api.analytics.windows import TooMany, edges
from services.api.auth import Caller, guarded
from services.api.encoding import reply
from services.api.errors import BadRequest
from services.api.heavy import in_turn
from services.api.inputs import query
from services.api.resources import resources
from shared.times import MIN_NS, iso_ns
from shared.timeseries.store import RawQuery

routes = Blueprint("analytics", __name__)

MAX_CELLS: Final = 50_000


class Period(NamedTuple):
    start_ns: int
    end_ns: int

    @property
    def told(self) -> dict[str, str]:
        return {"start": iso_ns(self.start_ns), "end": iso_ns(self.end_ns)}


Recordings = dict[str, Recording]


@routes.get("/api/v1/web/analytics")
@guarded()
@in_turn
@tag(["analytics"])
@document_querystring(AnalyticsQuery)
@document_response(Analytics)
async def analytics(caller: Caller) -> Response:
    """Figures, windows, distribution and change of each metric, compared if asked; of a knee its motion."""
    asked = query(AnalyticsQuery)
    wanted, period = _devices(asked), _period(asked)
    other, options = _other(asked, period), _options(asked, period)
    given = resources()
    known = await known_devices(given.engine, wanted, caller.tenants)
    budget = Budget(given.settings.max_points_scanned)
    if asked.metrics is not None:
        _refuse_too_many(options, len(known) * len(asked.metrics))
    now = await _read(caller, known, period, asked.metrics, budget)
    then = None if other is None else await _read(caller, known, other, asked.metrics, budget)
    _refuse_too_many(options, sum(len(report.chosen(each, asked.metrics)) for each in now.values()))
    told = await asyncio.to_thread(_tell, now, then, asked, options)
    if other is not None:
        told["comparison"].update(other.told)
    unknown = [device_id for device_id in wanted if device_id not in known]
    head = {**period.told, "timezone": asked.timezone.key, "points": budget.spent, "unknown": unknown}
    return reply({**head, **told})


def _tell(now: Recordings, then: Recordings | None, asked: AnalyticsQuery, options: report.Options) -> dict[str, Any]:
    devices = [{"device_id": name, **report.describe(each, options)} for name, each in now.items()]
    return {"devices": devices, "comparison": _compared(now, then, asked)}


def _compared(now: Recordings, then: Recordings | None, asked: AnalyticsQuery) -> dict[str, Any] | None:
    if asked.compare is None or (asked.compare == "devices" and not now):
        return None
    whole = {name: report.summaries(each, asked.metrics) for name, each in now.items()}
    if then is None:
        return report.compare_devices(whole)
    return report.compare_periods(whole, {name: report.summaries(each, asked.metrics) for name, each in then.items()})


async def _read(
    caller: Caller, device_ids: Sequence[str], period: Period, metrics: Sequence[str] | None, budget: Budget
) -> Recordings:
    fields = list(metrics) if metrics is not None else None
    if fields is not None and MAGNITUDE in fields:
        fields += [axis for axis in AXES if axis not in fields]
    return {
        device_id: await record(
            resources().store, RawQuery(device_id, caller.tenants, *period, limit=PAGE, metrics=fields), budget
        )
        for device_id in device_ids
    }


def _refuse_too_many(options: report.Options, lines: int) -> None:
    """`lines`: metrics of devices. What nobody could draw would take memory and time all the same."""
    windows = 1 if options.bounds is None else len(options.bounds) - 1
    if windows * lines > MAX_CELLS:
        said = f"Every: {windows} windows of {lines} metrics of devices are more than {MAX_CELLS}"
        mend = "take longer windows, or name fewer devices or metrics"
        raise BadRequest(f"{said}: {mend}", "too_many_windows", field="every")


def _devices(asked: AnalyticsQuery) -> list[str]:
    if asked.devices is None:
        raise BadRequest("Devices is required: name them, comma-separated", "required", field="devices")
    found = list(dict.fromkeys(asked.devices))
    if len(found) > MAX_DEVICES:
        raise BadRequest(f"Devices: at most {MAX_DEVICES} at once", "too_many_devices", field="devices")
    if asked.compare == "devices" and len(found) < 2:
        raise BadRequest("Devices: a comparison of devices needs two", "too_few_devices", field="devices")
    return found


def _period(asked: AnalyticsQuery) -> Period:
    end_ns = asked.end if asked.end is not None else time.time_ns()
    start_ns = asked.start if asked.start is not None else max(end_ns - DAY_NS, MIN_NS)
    if start_ns >= end_ns:
        raise BadRequest("start must be before end", "empty_range", field="start")
    return Period(start_ns, end_ns)


def _other(asked: AnalyticsQuery, period: Period) -> Period | None:
    if asked.compare is None or asked.compare == "devices":
        return None
    length = period.end_ns - period.start_ns
    start_ns = period.start_ns - length if asked.compare == "previous" else asked.compare
    return Period(start_ns, start_ns + length)


def _options(asked: AnalyticsQuery, period: Period) -> report.Options:
    bounds = None
    if asked.every is not None:
        try:
            bounds = edges(*period, asked.every, asked.timezone)
        except TooMany as error:
            raise BadRequest(f"Every: {error}", "too_many_windows", field="every") from error
    return report.Options(bounds, asked.bins, asked.metrics, asked.prominence)
