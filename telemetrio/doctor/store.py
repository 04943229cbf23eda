"""The time-series store: whether this token may write and read, and whether its bucket is there."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from shared.timeseries import influxql
from shared.timeseries.influx import ask
from shared.timeseries.influxhttp import InfluxHttp, Target, outage
from shared.timeseries.lineprotocol import PROBE
from shared.timeseries.store import Denied, Missing, Unavailable
from telemetrio.doctor.finding import Finding

_WITHIN_S: Final = 10.0
_COSTS: Final = {
    "write": "readings wait in the outbox, and when that is full devices are not acknowledged any more",
    "query": "history, charts, exports, and whoever comes back to a live stream get nothing",
}


async def check_write(target: Target) -> Sequence[Finding]:
    """One point in measurement telemetrio_probe."""

    async def write(http: InfluxHttp) -> None:
        answer = await http.write(target.bucket, PROBE)
        if not answer.stored:
            raise outage(answer)

    return await _tried("write", target, write)


async def check_query(target: Target) -> Sequence[Finding]:
    """The newest of those points."""

    async def query(http: InfluxHttp) -> None:
        await ask(http, target.bucket, influxql.ASK_PROBE)

    return await _tried("query", target, query)


async def _tried(check: str, target: Target, attempt: Callable[[InfluxHttp], Awaitable[None]]) -> Sequence[Finding]:
    http = InfluxHttp(target, _WITHIN_S)
    try:
        await attempt(http)
    except Unavailable as error:
        return [judge(check, target, error)]
    finally:
        await http.close()
    return []


def judge(check: str, target: Target, error: Unavailable) -> Finding:
    """What an outage means to whoever must end it."""
    if isinstance(error, Missing):
        found = f"There is no bucket {target.bucket!r} at {target.url}"
        mend = (
            f"make it (2.x: influx bucket create -n {target.bucket}; 1.x: CREATE DATABASE {target.bucket}), "
            "give the api TELEMETRIO_INFLUXDB_OPERATOR_TOKEN, or mend TELEMETRIO_INFLUXDB_BUCKET"
        )
    elif isinstance(error, Denied):
        found = f"This token may not {check} the bucket {target.bucket!r} at {target.url}: {error}"
        mend = f"give TELEMETRIO_INFLUXDB_TOKEN a token that may {check} it; look at TELEMETRIO_INFLUXDB_ORG, too"
    else:
        found = f"The store at {target.url} can't be used: {error}"
        mend = "start it; look at TELEMETRIO_INFLUXDB_URL and TELEMETRIO_INFLUXDB_CA_FILE"
    return Finding(check, found, _COSTS[check], mend)
