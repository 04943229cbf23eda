"""The store on InfluxDB 1.x, 2.x and 3.x: line protocol in, InfluxQL out (docs/decisions/0007)."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from shared.readings import Reading, ReadingBatch
from shared.timeseries import influxql, newestql, windowql
from shared.timeseries.body import body_of
from shared.timeseries.calendar import Run
from shared.timeseries.influxhttp import Answer, InfluxHttp, Speechless, Target, outage
from shared.timeseries.lineprotocol import PROBE, lines_of
from shared.timeseries.refusals import Search, refuses
from shared.timeseries.store import (
    LateQuery,
    LateRange,
    Missing,
    RawPage,
    RawQuery,
    Refused,
    Unavailable,
    WindowQuery,
    WindowSeries,
)

_FORBIDDEN: Final = 403
TIMEOUT_S: Final = 30.0
_REMEMBERED: Final = 10_000


class InfluxStore:
    """A TimeSeriesStore on one bucket or database. Makes no connection before it is used; several writes may run.

    `http`: where it shares the connections of others.
    """

    def __init__(self, target: Target, timeout_s: float = TIMEOUT_S, http: InfluxHttp | None = None) -> None:
        self._http = http or InfluxHttp(target, timeout_s)
        self._send = partial(self._http.write, target.bucket)
        self._ask = partial(ask, self._http, target.bucket)
        # one search at a time: while it asks its many questions, other writes go past it
        self._side_lane = asyncio.Semaphore()
        self._measurements: dict[str, tuple[str, ...]] = {}

    async def write(self, batches: Sequence[ReadingBatch]) -> None:
        body = body_of(batches)
        refused = body.unwritable
        if body.lines:
            answer = await self._send(b"\n".join([*body.lines, *body.late]))
            if refuses(answer):
                async with self._side_lane:
                    refused = sorted(refused + await self._search(batches, answer))
                    await self._note(body.late)
            elif not answer.stored:
                raise outage(answer)
        if refused:
            raise Refused(refused)

    async def _search(self, batches: Sequence[ReadingBatch], answer: Answer) -> list[tuple[int, str]]:
        readings = [reading for batch in batches for reading in batch.readings]
        lines, _ = lines_of(readings)
        return await Search(self._send, readings, lines).run(answer)

    async def _note(self, late: Sequence[bytes]) -> None:
        """Write the index by itself, in halves where it is too large at once; raises Unavailable."""
        if late:
            answer = await self._send(b"\n".join(late))
            if answer.status == 413 and len(late) > 1:
                half = len(late) // 2
                await self._note(late[:half])
                await self._note(late[half:])
            elif not answer.stored:
                raise Unavailable(f"InfluxDB refuses the index of late readings: {answer.reason}")

    async def raw(self, query: RawQuery) -> RawPage:
        if influxql.is_empty(query):
            return RawPage([], more=False)
        try:
            return influxql.read_page(query, await self._series(query))
        except influxql.BadAnswer as error:
            raise Unavailable(f"InfluxDB: {error}") from error

    async def _series(self, query: RawQuery) -> list[influxql.Series]:
        """Of each measurement that the device has; those of last time at once, beside asking which there are.

        Raises Unavailable, and BadAnswer.
        """
        guessed = self._measurements.get(query.device_id, ())
        # what takes longest is asked first
        *found, which = await asyncio.gather(
            *(self._ask(influxql.ask_readings(query, name)) for name in guessed),
            self._ask(influxql.ask_measurements(query)),
        )
        answers = dict(zip(guessed, found, strict=True))
        names = influxql.read_measurements(which)
        for name in names:
            if name not in answers:
                answers[name] = await self._ask(influxql.ask_readings(query, name))
        if len(self._measurements) >= _REMEMBERED:
            self._measurements.clear()
        self._measurements[query.device_id] = tuple(names)
        return [each for name in names for each in answers[name]]

    async def newest(self, owner: int, limit: int) -> Sequence[Reading]:
        try:
            measurements = influxql.read_measurements(await self._ask(newestql.ask_measurements(owner)))
            series = [each for name in measurements for each in await self._newest(owner, name, limit)]
            return newestql.read_newest(owner, series, limit)
        except influxql.BadAnswer as error:
            raise Unavailable(f"InfluxDB: {error}") from error

    async def _newest(self, owner: int, measurement: str, limit: int) -> list[influxql.Series]:
        series = await self._ask(newestql.ask_newest(owner, measurement, limit))
        cut_ns = newestql.last_moment(series, limit)
        if cut_ns is None:
            return series
        return [*series, *await self._ask(newestql.ask_moment(owner, measurement, cut_ns))]

    async def windows(self, query: WindowQuery) -> Sequence[WindowSeries]:
        if windowql.is_empty(query):
            return []
        try:
            names = influxql.read_measurements(await self._ask(windowql.ask_measurements(query)))
            answers = [
                answer for name in names for run in query.runs for answer in await self._windows(query, run, name)
            ]
            return windowql.read_windows(query, answers)
        except influxql.BadAnswer as error:
            raise Unavailable(f"InfluxDB: {error}") from error

    async def _windows(self, query: WindowQuery, run: Run, measurement: str) -> list[windowql.Answer]:
        """One answer; several where one device's values add up to more than a float can say: the others keep theirs."""
        try:
            return [windowql.Answer(query, run, await self._ask(windowql.ask_windows(query, run, measurement)))]
        except Speechless:
            half = len(query.device_ids) // 2
            if half:
                parts = [replace(query, device_ids=part) for part in (query.device_ids[:half], query.device_ids[half:])]
                return [answer for part in parts for answer in await self._windows(part, run, measurement)]
            plain = windowql.without_sums(query)
            return [windowql.Answer(plain, run, await self._ask(windowql.ask_windows(plain, run, measurement)))]

    async def late(self, query: LateQuery) -> Sequence[LateRange]:
        if influxql.is_empty_late(query):
            return []
        series = await self._ask(influxql.ask_late(query))
        try:
            return influxql.read_late(series)
        except influxql.BadAnswer as error:
            raise Unavailable(f"InfluxDB: {error}") from error

    async def ping(self) -> None:
        answer = await self._send(PROBE)
        # 403: a token that only reads, as api and realtime may have it; who writes hears of it with each write
        if not answer.stored and answer.status != _FORBIDDEN:
            raise Unavailable(f"InfluxDB refuses even a probe: {answer.reason}") if answer.refused else outage(answer)
        await self._ask(influxql.ASK_PROBE)

    async def close(self) -> None:
        await self._http.close()


async def ask(http: InfluxHttp, bucket: str, statement: influxql.Statement) -> list[influxql.Series]:
    """The series of one statement's answer; raises Unavailable."""
    try:
        return influxql.read_series(await http.query(bucket, statement))
    except influxql.Failed as error:
        kind = Missing if error.missing else Unavailable
        raise kind(f"InfluxDB: {error}") from error
    except influxql.BadAnswer as error:
        raise Unavailable(f"something else than InfluxDB answers at its URL: {error}") from error
