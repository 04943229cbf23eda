"""An InfluxDB 2.7 or 3.x on a real socket: the answers recorded from them, and the wrong ones on demand."""

import re
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal, NamedTuple

import orjson
from aiohttp import web

from tests.fakes.influxqlwindows import columns_of, windows_of

Version = Literal["2.7.12", "3.0.1"]
Fields = dict[str, float | bool | str]
SeriesKey = tuple[str, tuple[tuple[str, str], ...]]
Fault = Callable[["FakeInflux", web.Request, bytes], Awaitable[web.StreamResponse]]

_MIN_NS, _MAX_NS = -(2**63) + 2, 2**63 - 2


class Rejected(Exception):
    """A line that can't be taken, and why."""


class Point(NamedTuple):
    series: SeriesKey
    fields: Fields
    ts_ns: int
    line: str


class FakeInflux:
    """`faults`: what answers the next writes instead, one each; `fault`: what answers all of them.

    `refuse`: points that this server finds malformed, although they are not. `max_bytes`: of one write.
    """

    def __init__(self, version: Version, token: str = "", bucket: str = "b") -> None:
        self.version = version
        self.token = token
        self.bucket = bucket
        self.points: dict[SeriesKey, dict[int, Fields]] = {}
        self.types: dict[tuple[str, str], str] = {}
        self.faults: list[Fault] = []
        self.fault: Fault | None = None
        self.ping_fault: Fault | None = None
        self.query_fault: Fault | None = None
        self.refuse: Callable[[Point], bool] = lambda _: False
        self.max_bytes = 2**30
        self.writes: list[bytes] = []
        self.paths: list[str] = []
        self.pings = 0
        self.queries: list[str] = []
        self.url = ""

    @asynccontextmanager
    async def running(self, tls: ssl.SSLContext | None = None) -> AsyncIterator["FakeInflux"]:
        app = web.Application(client_max_size=2**30)
        app.router.add_get("/ping", self._ping)
        app.router.add_post("/api/v2/write", self._write)
        app.router.add_post("/write", self._write)
        app.router.add_post("/query", self._query)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _ping(self, request: web.Request) -> web.StreamResponse:
        self.pings += 1
        if self.ping_fault is not None:
            return await self.ping_fault(self, request, b"")
        prefix = "v" if self.version.startswith("2") else ""
        return web.Response(status=204, headers={"X-Influxdb-Version": prefix + self.version})

    async def _write(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.writes.append(body)
        self.paths.append(request.path)
        if self.faults:
            return await self.faults.pop(0)(self, request, body)
        if self.fault is not None:
            return await self.fault(self, request, body)
        return self.take(request, body)

    def take(self, request: web.Request, body: bytes) -> web.Response:
        """What a healthy server does."""
        if self.token and request.headers.get("Authorization") != f"Token {self.token}":
            return said(401, {"code": "unauthorized", "message": "unauthorized access"})
        if self.bucket not in (request.query.get("bucket"), request.query.get("db")):
            name = request.query.get("bucket")
            return said(404, {"code": "not found", "message": f'bucket "{name}" not found'})
        if len(body) > self.max_bytes:
            return said(413, {"code": "request too large", "message": "Request Entity Too Large"})
        lines = [line for line in split_lines(body.decode()) if line and not line.startswith("#")]
        return self._take_two(lines) if self.version.startswith("2") else self._take_three(lines)

    def _take_two(self, lines: list[str]) -> web.Response:
        """2.7: a line that can't be parsed costs all, a type conflict only its own point; the first is named."""
        try:
            points = [self._parsed(line) for line in lines]
        except Rejected as error:
            return said(400, {"code": "invalid", "message": str(error)})
        conflicts = [conflict for point in points if (conflict := self._put_unless_conflicting(point))]
        if not conflicts:
            return web.Response(status=204)
        message = f"failure writing points to database: partial write: {conflicts[0]} dropped={len(conflicts)}"
        return said(422, {"code": "unprocessable entity", "message": message})

    def _take_three(self, lines: list[str]) -> web.Response:
        """3.x: nothing is stored if one is bad; each bad line is told by number."""
        bad, points = [], []
        for number, line in enumerate(lines, 1):
            try:
                points.append(self._parsed(line))
            except Rejected as error:
                bad.append({"original_line": line, "line_number": number, "error_message": str(error)})
        fresh: dict[tuple[str, str], str] = {}
        for point in points:
            for name, value in point.fields.items():
                key, kind = (point.series[0], name), type(value).__name__
                known = self.types.get(key) or fresh.setdefault(key, kind)
                if known != kind:
                    message = f"invalid column type for column '{name}', expected {known}, got {kind}"
                    bad.append({"original_line": point.line, "line_number": 0, "error_message": message})
        if bad:
            return said(400, {"error": "parsing failed for write_lp endpoint", "data": bad[0]})
        for point in points:
            self._put(point)
        return web.Response(status=204)

    def _parsed(self, line: str) -> Point:
        point = parse(line)
        if self.refuse(point):
            raise Rejected(f"unable to parse '{line}': missing field value")
        return point

    def _put_unless_conflicting(self, point: Point) -> str:
        for name, value in point.fields.items():
            kind = type(value).__name__
            known = self.types.get((point.series[0], name), kind)
            if known != kind:
                return (
                    f'field type conflict: input field "{name}" on measurement "{point.series[0]}" '
                    f"is type {kind}, already exists as type {known}"
                )
        self._put(point)
        return ""

    def _put(self, point: Point) -> None:
        for name, value in point.fields.items():
            self.types.setdefault((point.series[0], name), type(value).__name__)
        self.points.setdefault(point.series, {}).setdefault(point.ts_ns, {}).update(point.fields)

    async def _query(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        text = str(form["q"])
        self.queries.append(text)
        if self.query_fault is not None:
            return await self.query_fault(self, request, text.encode())
        if self.token and request.headers.get("Authorization") != f"Token {self.token}":
            return said(401, {"code": "unauthorized", "message": "unauthorized access"})
        if form["db"] != self.bucket:
            return said(200, {"results": [{"statement_id": 0, "error": f"database not found: {form['db']!s}"}]})
        params = orjson.loads(str(form.get("params", "{}")))
        unused = [name for name in params if f"${name}" not in text]
        if unused and self.version.startswith("3"):
            return said(400, {"error": f"parameter {unused[0]} is not used"})
        series = Question(text, params).answer(self.points)
        return said(200, {"results": [{"statement_id": 0, **({"series": series} if series else {})}]})

    def measured(self, measurement: str) -> dict[tuple[str, int], Fields]:
        """What is stored of one measurement, by device and time."""
        return {
            (dict(tags).get("device_id", ""), ts_ns): fields
            for (name, tags), rows in self.points.items()
            for ts_ns, fields in rows.items()
            if name == measurement
        }


def said(status: int, body: Any, **headers: str) -> web.Response:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json", headers=given)


# ---- wrong answers


def answering(status: int, message: str = "no", **headers: str) -> Fault:
    """The same status for everything, nothing stored."""

    async def answer(_: FakeInflux, __: web.Request, ___: bytes) -> web.StreamResponse:
        return said(status, {"message": message}, **headers)

    return answer


async def losing_the_answer(fake: FakeInflux, request: web.Request, body: bytes) -> web.StreamResponse:
    """Stored, but the line is cut before the answer."""
    fake.take(request, body)
    return cut(request)


async def cutting(_: FakeInflux, request: web.Request, __: bytes) -> web.StreamResponse:
    """Nothing stored and no answer."""
    return cut(request)


async def cutting_in_the_middle(_: FakeInflux, request: web.Request, __: bytes) -> web.StreamResponse:
    """Half an answer: its length promises more."""
    response = web.StreamResponse(headers={"Content-Length": "1000", "Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(b'{"results":[{"statement_id":0}]}')
    cut(request)
    return response


def cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def held_until(released: Callable[[], Awaitable[Any]]) -> Fault:
    """No answer before that; then what a healthy server says."""

    async def answer(fake: FakeInflux, request: web.Request, body: bytes) -> web.StreamResponse:
        await released()
        return fake.take(request, body)

    return answer


# ---- line protocol, read by its rules and not by ours

_WORD = r"(?:[^\\, =]|\\.)"
_STRING = r'"(?:[^"\\]|\\.)*"'
_line = re.compile(
    rf"(?P<name>(?:[^\\, ]|\\.)+)(?P<tags>(?:,{_WORD}+={_WORD}+)*) "
    rf"(?P<fields>{_WORD}+=(?:{_STRING}|[^, \"]+)(?:,{_WORD}+=(?:{_STRING}|[^, \"]+))*)(?: (?P<time>-?\d+))?\Z",
    re.DOTALL,
).match
_tag = re.compile(rf",({_WORD}+)=({_WORD}+)").findall
_field = re.compile(rf"({_WORD}+)=({_STRING}|[^, \"]+)(?:,|\Z)", re.DOTALL).findall
_unescaped = re.compile(r"\\([, =])")


_piece = re.compile(rf"\\.|={_STRING}|.", re.DOTALL).match


def split_lines(body: str) -> list[str]:
    """A newline in a string ends no line; a string stands behind the `=` of a field, a quote in a name opens none."""
    lines, begun, at, in_fields = [], 0, 0, False
    while at < len(body):
        seen = _piece(body, at)
        assert seen is not None
        piece = seen[0] if in_fields or not seen[0].startswith("=") else "="
        at += len(piece)
        in_fields = in_fields or piece == " "
        if piece == "\n":
            lines.append(body[begun : at - 1])
            begun, in_fields = at, False
    return [line for line in [*lines, body[begun:]] if line]


def parse(line: str) -> Point:
    """One line; raises Rejected in the words of 2.7."""
    seen = _line(line)
    if seen is None:
        raise Rejected(f"unable to parse '{line}': missing field value")
    fields: Fields = {_plain(name): _value(line, value) for name, value in _field(seen["fields"])}
    tags = tuple(sorted((_plain(name), _plain(value)) for name, value in _tag(seen["tags"])))
    ts_ns = time.time_ns() if seen["time"] is None else int(seen["time"])
    if not _MIN_NS <= ts_ns <= _MAX_NS:
        raise Rejected(f"unable to parse '{line}': time outside range")
    return Point((_plain(seen["name"]), tags), fields, ts_ns, line)


def _plain(name: str) -> str:
    return _unescaped.sub(r"\1", name)


def _value(line: str, value: str) -> float | bool | str:
    if value.startswith('"'):
        return re.sub(r'\\(["\\])', r"\1", value[1:-1])
    if value in ("true", "false"):
        return value == "true"
    try:
        return int(value[:-1]) if value.endswith("i") else float(value)
    except ValueError as error:
        raise Rejected(f"unable to parse '{line}': invalid number") from error


# ---- the InfluxQL that we speak


def unescaped(name: str) -> str:
    """A name in a regular expression."""
    return re.sub(r"\\x\{([0-9a-f]+)\}", lambda found: chr(int(found[1], 16)), name)


class Question:
    """One SHOW TAG VALUES or SELECT, read far enough to answer it by looking at everything."""

    def __init__(self, text: str, params: dict[str, str]) -> None:
        self.text = text
        self._devices = {params[name] for name in re.findall(r'"device_id"::tag = \$(\w+)', text)}
        if several := re.search(r'"device_id"::tag =~ /\^\(\?:(.*?)\)\$/', text):
            self._devices = {unescaped(name) for name in several[1].split("|")}
        self._owners = set(re.findall(r"\"user_id\"::tag = '(\d+)'", text))
        if among := re.search(r'"user_id"::tag =~ /\^\(\?:([\d|]+)\)\$/', text):
            self._owners = set(among[1].split("|"))
        self._low = max(map(int, re.findall(r"time >= (-?\d+)", text)), default=_MIN_NS)
        self._high = min(map(int, re.findall(r"time <= (-?\d+)", text)), default=_MAX_NS)

    def answer(self, points: dict[SeriesKey, dict[int, Fields]]) -> list[dict[str, Any]]:
        chosen = [(name, dict(tags), rows) for (name, tags), rows in sorted(points.items()) if self._wants(dict(tags))]
        if self.text.startswith("SHOW"):
            return [self._owners_of(name, tags) for name, tags, rows in chosen if any(map(self._in_range, rows))]
        if columns_of(self.text):
            return [windows for each in chosen if (windows := windows_of(self.text, *each, self._in_range))]
        if self.text.startswith("SELECT min("):
            return [found for each in chosen if (found := self._late_of(*each))]
        rows = [found for each in chosen if (found := self._rows_of(*each)) and found["values"]]
        return self._merged(rows) if self.text.startswith('SELECT "device_id"::tag, ') else rows

    def _merged(self, series: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Of all devices in one, ungrouped, with the device in a column: the newest first, ties as they come."""
        names = sorted({column for each in series for column in each["columns"][1:]})
        rows = []
        for each in series:
            for ts_ns, *values in each["values"]:
                known = dict(zip(each["columns"][1:], values, strict=True))
                rows.append([ts_ns, each["device"], *map(known.get, names)])
        rows.sort(key=lambda row: -row[0])
        limit = re.search(r"LIMIT (\d+)", self.text)
        shown = rows[: int(limit[1])] if limit else rows
        return [{"name": series[0]["name"], "columns": ["time", "device_id", *names], "values": shown}] if rows else []

    def _wants(self, tags: dict[str, str]) -> bool:
        return (not self._devices or tags.get("device_id") in self._devices) and (
            not self._owners or tags.get("user_id") in self._owners
        )

    def _in_range(self, ts_ns: int) -> bool:
        return self._low <= ts_ns <= self._high

    def _owners_of(self, name: str, tags: dict[str, str]) -> dict[str, Any]:
        return {"name": name, "columns": ["key", "value"], "values": [["user_id", tags.get("user_id", "")]]}

    def _late_of(self, name: str, tags: dict[str, str], rows: dict[int, Fields]) -> dict[str, Any] | None:
        seen = [fields for ts_ns, fields in rows.items() if self._in_range(ts_ns)]
        if name != "telemetrio_late" or not seen:
            return None
        first, last, numbers = ([int(fields[field]) for fields in seen] for field in ("ts_min", "ts_max", "n"))
        values = [[self._low, min(first), max(last), sum(numbers)]]
        return {"name": name, "tags": tags, "columns": ["time", "min", "max", "sum"], "values": values}

    def _rows_of(self, name: str, tags: dict[str, str], rows: dict[int, Fields]) -> dict[str, Any] | None:
        source = re.search(r'FROM "((?:[^"\\]|\\.)*)"', self.text)
        if source is None or source[1] != name:
            return None
        known = sorted({field for fields in rows.values() for field in fields})
        asked = re.findall(r'"((?:[^"\\]|\\.)*)"::field', self.text)
        columns = [field for field in asked if field in known] if asked else known
        order = sorted(filter(self._in_range, rows), reverse="DESC" in self.text)
        values = [[ts_ns, *map(rows[ts_ns].get, columns)] for ts_ns in order if set(columns) & rows[ts_ns].keys()]
        limit = re.search(r"LIMIT (\d+)", self.text)
        shown = values[: int(limit[1])] if limit else values
        return {
            "name": name,
            "device": tags.get("device_id", ""),
            "tags": {"user_id": tags.get("user_id", "")},
            "columns": ["time", *columns],
            "values": shown,
        }
