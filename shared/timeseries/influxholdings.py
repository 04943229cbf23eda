"""What is in InfluxDB: in one bucket, or in one for each user."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from shared.timeseries import holdingsql, influxql
from shared.timeseries.bucketnames import bucket_name, owners_of
from shared.timeseries.holdings import LateNote
from shared.timeseries.influx import TIMEOUT_S, ask
from shared.timeseries.influxhttp import InfluxHttp, Target, outage
from shared.timeseries.lineprotocol import late_line
from shared.timeseries.refusals import is_too_old
from shared.timeseries.store import Missing, Unavailable

_PAGE: Final = 5_000


class InfluxHoldings:
    """A Holdings. Makes no connection before it is used."""

    def __init__(self, target: Target, *, per_user: bool) -> None:
        self._bucket = target.bucket
        self._per_user = per_user
        self._http = InfluxHttp(target, TIMEOUT_S)
        self._ask = partial(ask, self._http)

    async def devices(self) -> Sequence[str]:
        return await self._names(holdingsql.ASK_DEVICES, own=False)

    async def noted(self) -> Sequence[str]:
        return await self._names(holdingsql.ASK_NOTED, own=True)

    async def notes(self, device_id: str, start_ns: int, end_ns: int) -> Sequence[LateNote]:
        found: list[LateNote] = []
        for bucket in await self._buckets():
            low, more = start_ns, True
            while more:
                page, more = await self._page(bucket, device_id, low, end_ns)
                found += page
                low = page[-1].committed_ns + 1 if page else low
        return sorted(found)

    async def note(self, notes: Sequence[LateNote]) -> None:
        lines: dict[str, list[bytes]] = {}
        for committed_ns, late in notes:
            bucket = bucket_name(self._bucket, late.user_id) if self._per_user else self._bucket
            lines.setdefault(bucket, []).append(late_line(late, committed_ns))
        for bucket, some in lines.items():
            answer = await self._http.write(bucket, b"\n".join(some))
            if not answer.stored and not is_too_old(answer):
                raise outage(answer)

    async def close(self) -> None:
        await self._http.close()

    async def _buckets(self) -> list[str]:
        if not self._per_user:
            return [self._bucket]
        try:
            names = influxql.read_databases(await self._ask("", influxql.ASK_DATABASES))
        except influxql.BadAnswer as error:
            raise Unavailable(f"InfluxDB: {error}") from error
        return [bucket_name(self._bucket, owner) for owner in owners_of(self._bucket, names)]

    async def _names(self, statement: influxql.Statement, *, own: bool) -> list[str]:
        found: set[str] = set()
        for bucket in await self._buckets():
            try:
                found |= holdingsql.read_devices(await self._ask(bucket, statement), own=own)
            except influxql.BadAnswer as error:
                raise Unavailable(f"InfluxDB: {error}") from error
            except Missing:
                if not self._per_user:  # an owner's bucket may go between two questions
                    raise
        return sorted(found)

    async def _page(self, bucket: str, device_id: str, low: int, end_ns: int) -> tuple[list[LateNote], bool]:
        """In order of commit, without what isn't known to be whole: each owner's rows are a series, cut by itself."""
        series = await self._ask(bucket, holdingsql.ask_notes(device_id, low, end_ns, _PAGE))
        try:
            rows = holdingsql.read_notes(device_id, series)
        except influxql.BadAnswer as error:
            raise Unavailable(f"InfluxDB: {error}") from error
        cut = [int(each["values"][-1][0]) for each in series if len(each["values"]) >= _PAGE]
        notes = sorted(LateNote(*row) for row in rows if not cut or row[0] <= min(cut))
        return notes, bool(cut)
