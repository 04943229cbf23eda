"""Exports and imports on a real server and socket: what holds a client back, what breaks off, what ends in time."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from services.api import streaming
from services.api.errors import Away
from services.api.resources import KEY, Resources
from services.api.streaming import MAX_AT_ONCE, MAX_OF_ONE, StreamedBody, Streams
from shared.database.tables import ingest_books
from shared.gate import Gate
from shared.readings import Reading
from shared.serving import serve_web
from shared.timeseries.store import RawPage, RawQuery, Unavailable
from tests.integration.api_rig import NOON_NS, Api, opened
from tests.peers.waiting import eventually_async

DEADLINE_S = 10.0
HOST = b"Host: localhost\r\n"
EXPORT = b"GET /api/v1/readings/export?devices=d1&format=%b HTTP/1.1\r\n" + HOST + b"\r\n"
IMPORT = (
    b"POST /api/v1/readings/import HTTP/1.1\r\n" + HOST + b"Content-Type: application/x-ndjson\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


class EndlessStore:
    """Page after page of one device, for as long as somebody asks; `pages` before it is away."""

    def __init__(self, pages: int = 10**9) -> None:
        self.pages = pages
        self.asked = 0
        text = "x" * 1000
        self._readings = [Reading("d1", 1, "sensor_data", NOON_NS + n, {"text": text}) for n in range(500)]

    async def raw(self, _query: RawQuery) -> RawPage:
        if self.asked >= self.pages:
            raise Unavailable("gone")
        self.asked += 1
        await asyncio.sleep(0)
        return RawPage(self._readings, more=True)


@dataclass(slots=True)
class Running:
    api: Api
    given: Resources
    port: int
    stopping: asyncio.Event
    ended: "asyncio.Task[None]"

    @property
    def streams(self) -> Streams:
        return self.given.streams

    async def ask(self, head: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**20)
        writer.write(head)
        await writer.drain()
        return reader, writer

    async def until(self, look: Callable[[], bool]) -> None:
        async def seen() -> bool:
            return look()

        await eventually_async(seen, DEADLINE_S)


@asynccontextmanager
async def serving(folder: Path, store: Any = None) -> AsyncIterator[Running]:
    """As in `up`: the gate before it, Hypercorn under it, drained at the end."""
    async with opened(folder) as api:
        await api.add_devices("d1")
        await api.fill(ingest_books, {"source": "ingest", "epoch": "e", "updated_ns": 1})
        given: Resources = api.app.extensions[KEY]
        if store is not None:
            object.__setattr__(given, "store", store)
        stopping = asyncio.Event()

        async def drained() -> None:
            await stopping.wait()
            await given.streams.drain()

        with socket.create_server(("127.0.0.1", 0)) as listener:
            gate = Gate(api.app, allowed_hosts=["localhost"], cors_origins=[])  # type: ignore[arg-type] # Quart's own types
            ended = asyncio.create_task(serve_web(gate, [listener], drained))
            running = Running(api, given, listener.getsockname()[1], stopping, ended)
            yield running
            stopping.set()
            await asyncio.wait_for(asyncio.shield(ended), DEADLINE_S)


async def body_of(reader: asyncio.StreamReader) -> tuple[bytes, bool]:
    """The chunks that come, and whether the last one did."""
    head = await reader.readuntil(b"\r\n\r\n")
    assert b" 200 " in head, head
    assert b"chunked" in head.lower()
    body = bytearray()
    while line := await reader.readline():
        if line == b"0\r\n":
            return bytes(body), True
        body += await reader.readexactly(int(line, 16))
        await reader.readline()
    return bytes(body), False


@pytest.mark.parametrize(
    ("kind", "last"),
    [
        (b"ndjson", b'"code":"export_incomplete"}\n'),
        (b"csv", b"\n# incomplete: The time-series store can't be reached just now\r\n"),
        (b"parquet", b""),
    ],
)
async def test_an_export_that_breaks_off_does_not_look_whole(tmp_path: Path, kind: bytes, last: bytes) -> None:
    """The connection ends without its last chunk, and the last line says so, for those who know no chunks."""
    async with serving(tmp_path, EndlessStore(pages=3)) as running:
        reader, writer = await running.ask(EXPORT % kind)
        body, whole = await body_of(reader)
        assert not whole
        assert body.endswith(last)
        assert not body.endswith(b"PAR1") or len(body) == 4
        assert len(running.streams) == 0
        writer.close()


async def test_a_client_that_does_not_read_holds_the_export_back(tmp_path: Path) -> None:
    """No page is read ahead of what its socket takes."""
    store = EndlessStore()
    async with serving(tmp_path, store) as running:
        _, writer = await running.ask(EXPORT % b"ndjson")
        looks: list[int] = []

        def stands() -> bool:
            looks.append(store.asked)
            return store.asked > 0 and looks[-20:] == [store.asked] * 20

        await running.until(stands)
        assert store.asked < 60  # 500 KB each: what lies in the buffers of two sockets
        writer.close()
        await running.until(lambda: len(running.streams) == 0)


async def test_a_client_that_goes_away_ends_its_export(tmp_path: Path) -> None:
    """Nothing is asked for nobody."""
    store = EndlessStore()
    async with serving(tmp_path, store) as running:
        reader, writer = await running.ask(EXPORT % b"csv")
        await reader.readexactly(100_000)
        writer.transport.abort()
        await running.until(lambda: len(running.streams) == 0)


async def test_a_stop_ends_exports_and_says_so(tmp_path: Path) -> None:
    """One that is read gets its last line, one that is not is cut off; the server ends within the drain."""
    async with serving(tmp_path, EndlessStore()) as running:
        reader, writer = await running.ask(EXPORT % b"ndjson")
        _, stuck = await running.ask(EXPORT % b"ndjson")
        await running.until(lambda: len(running.streams) == 2)
        running.stopping.set()
        body, whole = await body_of(reader)
        assert not whole
        assert orjson.loads(body.splitlines()[-1])["error"] == "The server is about to end"
        await asyncio.wait_for(asyncio.shield(running.ended), DEADLINE_S)
        for each in (writer, stuck):
            each.close()


async def test_an_import_is_read_as_fast_as_ingest_takes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While ingest takes nothing, the sender's own socket fills up: nothing is kept here but a block."""
    waited: list[int] = []
    append = StreamedBody.append

    def counted(body: StreamedBody, data: bytes) -> None:
        append(body, data)
        waited.append(len(body._data))

    monkeypatch.setattr(StreamedBody, "append", counted)
    async with serving(tmp_path) as running:
        held = asyncio.Event()
        command = running.api.commander.command

        async def slowly(source: str, given: Any) -> None:
            await held.wait()
            await command(source, given)

        monkeypatch.setattr(running.api.commander, "command", slowly)
        reader, writer = await running.ask(IMPORT)
        row = orjson.dumps({"device_id": "d1", "ts": 1767268800, "text": "x" * 1000}) + b"\n"
        writer.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(row) * 9_000, row * 9_000))
        looks: list[int] = []

        def stands() -> bool:
            looks.append(len(waited))
            return len(looks) > 20 and looks[-20] == looks[-1] > 1

        await running.until(stands)
        held.set()
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head
        told = orjson.loads(await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r")[0])))
        assert told["accepted"] == 9_000
        assert max(waited) < 512 * 1024  # of nine megabytes
        writer.close()


async def test_a_sender_that_goes_away_ends_its_import(tmp_path: Path) -> None:
    """What was handed on is on disk; nothing waits for the rest."""
    async with serving(tmp_path) as running:
        _, writer = await running.ask(IMPORT + b'5\r\n{"dev\r\n')
        await running.until(lambda: len(running.streams) == 1)
        writer.transport.abort()
        await running.until(lambda: len(running.streams) == 0)


async def test_a_sender_that_falls_silent_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """408, after a minute without a byte."""
    monkeypatch.setattr(streaming, "_SILENCE_S", 0.05)
    async with serving(tmp_path) as running:
        reader, writer = await running.ask(IMPORT)
        assert b" 408 " in await reader.readline()
        writer.close()


async def test_only_so_many_at_a_time(tmp_path: Path) -> None:
    """One too many gets 503, and may come back."""
    async with serving(tmp_path, EndlessStore()) as running:
        writers = [(await running.ask(EXPORT % b"ndjson"))[1] for _ in range(MAX_OF_ONE)]
        await running.until(lambda: len(running.streams) == MAX_OF_ONE)
        answer = await running.api.get("/api/v1/readings/export?devices=d1")
        assert (answer.status, answer.json["code"]) == (503, "too_many_transfers")
        for writer in writers:
            writer.transport.abort()
        await running.until(lambda: len(running.streams) == 0)


async def test_what_waits_of_a_body_is_bounded() -> None:
    """Its reader makes room."""
    body = StreamedBody()
    body.append(b"x" * 300_000)
    waiting = asyncio.create_task(body.room())
    assert len(await anext(body)) == 300_000
    await asyncio.wait_for(waiting, DEADLINE_S)


async def test_no_user_takes_all_places() -> None:
    """One may have half of them, all users together so many."""
    streams = Streams()

    async def one(user_id: int) -> None:
        streams.join(user_id)
        await asyncio.Event().wait()

    tasks = [asyncio.create_task(one(number // MAX_OF_ONE)) for number in range(MAX_AT_ONCE)]
    await asyncio.sleep(0)
    assert len(streams) == MAX_AT_ONCE
    with pytest.raises(Away, match="come back later"):
        streams.join(99)
    tasks[0].cancel()
    await asyncio.wait([tasks[0]])
    await asyncio.sleep(0)
    with pytest.raises(Away, match="of yours"):
        streams.join(1)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_a_stream_that_is_stuck_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that reads nothing must not keep the process; after that nobody may begin."""
    monkeypatch.setattr(streaming, "_MOMENT_S", 0.01)
    streams = Streams()

    async def stuck() -> None:
        streams.join(1)
        await asyncio.Event().wait()

    task = asyncio.create_task(stuck())
    await eventually_async(_joined(streams), DEADLINE_S)
    await asyncio.wait_for(streams.drain(), DEADLINE_S)
    assert task.cancelled()
    with pytest.raises(Away, match="about to end"):
        streams.join(1)


def _joined(streams: Streams) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return len(streams) == 1

    return look
