"""Requests under way when a server is asked to stop: they end, or are cut off, and no other begins."""

import asyncio
from typing import Any

import orjson

from shared.draining import Draining


class App:
    """An ASGI app that answers when it is let, or as soon as its client has gone."""

    def __init__(self) -> None:
        self.answer = asyncio.Event()
        self.ended: list[str] = []

    async def __call__(self, _scope: Any, receive: Any, send: Any) -> None:
        gone = asyncio.ensure_future(_gone(receive))
        let = asyncio.ensure_future(self.answer.wait())
        await asyncio.wait({gone, let}, return_when=asyncio.FIRST_COMPLETED)
        self.ended.append("answered" if self.answer.is_set() else "cut")
        for each in (gone, let):
            each.cancel()
        await send({"type": "http.response.start", "status": 200, "headers": []})


async def _gone(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Asked:
    """One request to it."""

    def __init__(self, app: Draining, version: str = "1.1") -> None:
        self.sent: list[Any] = []
        self._messages = iter([{"type": "http.request", "body": b"", "more_body": False}])
        scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "http_version": version}
        self.task = asyncio.ensure_future(app(scope, self._receive, self._send))

    async def _receive(self) -> Any:
        for message in self._messages:
            return message
        return await asyncio.get_running_loop().create_future()

    async def _send(self, message: Any) -> None:
        self.sent.append(message)


async def begun(app: Draining) -> Asked:
    asked = Asked(app)
    await asyncio.sleep(0)
    return asked


async def test_what_is_under_way_may_end_and_nothing_else_begins() -> None:
    """The one gets its answer; whoever comes later is told when to come back, in the one shape."""
    app = App()
    draining = Draining(app)
    asked = await begun(draining)
    drained = asyncio.ensure_future(draining.drain(60))
    await asyncio.sleep(0)
    late = Asked(draining)
    await late.task
    start, body = late.sent
    headers = dict(start["headers"])
    told = orjson.loads(body["body"])
    assert (start["status"], told["code"], told["status"]) == (503, "restarting", 503)
    assert told["request_id"].encode() == headers[b"x-request-id"]
    assert (headers[b"connection"], int(headers[b"retry-after"]) > 0) == (b"close", True)
    assert not drained.done()
    app.answer.set()
    await asyncio.wait_for(drained, 5)
    await asked.task
    assert (app.ended, asked.sent[0]["status"]) == (["answered"], 200)


async def test_what_takes_too_long_is_told_that_its_client_has_gone() -> None:
    """That is what an app ends its work upon: a download that is open for hours holds nobody up."""
    app = App()
    draining = Draining(app)
    asked = [await begun(draining) for _ in range(3)]
    await asyncio.wait_for(draining.drain(0.01), 5)
    assert app.ended == ["cut"] * 3
    await asyncio.gather(*(each.task for each in asked))


async def test_an_idle_server_is_drained_at_once() -> None:
    """Also one that has answered before."""
    app = App()
    app.answer.set()
    draining = Draining(app)
    await Asked(draining).task
    await asyncio.wait_for(draining.drain(60), 5)


async def test_http_2_is_told_without_a_header_that_it_does_not_know() -> None:
    """`Connection` would be a breach of that protocol."""
    draining = Draining(App())
    await draining.drain(0)
    late = Asked(draining, "2")
    await late.task
    assert b"connection" not in dict(late.sent[0]["headers"])


async def test_sockets_and_the_lifespan_are_none_of_its_business() -> None:
    """They pass, also while it drains: whoever serves them ends them."""
    passed = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        passed.append(scope["type"])

    async def nothing(*_: Any) -> Any:
        raise AssertionError("they are passed on, not used")

    draining = Draining(app)
    await draining.drain(0)
    for kind in ("lifespan", "websocket"):
        await draining({"type": kind}, nothing, nothing)
    assert passed == ["lifespan", "websocket"]
