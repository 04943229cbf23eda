"""A running system, asked over HTTP: who is away for a moment is asked again, a refusal is told in its words."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final, NamedTuple, TypeVar

import aiohttp
import orjson

from shared.process import ExitCode, Refusal
from shared.settings import read_settings
from telemetrio.remote.settings import RemoteSettings
from telemetrio.settings import refuse_unknown

T = TypeVar("T")

_WAITS_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
_LONGEST_WAIT_S: Final = 60.0
_BUSY: Final = (429, 503)
# what is streamed takes as long as it takes; somebody who falls silent is not waited for
_TIMES: Final = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=120)


class BrokenOff(Exception):
    """No whole answer: asked again there may be one. `answer`: what was said, if it could be read."""

    def __init__(self, message: str, wait_s: float = 0.0, answer: Any = None) -> None:
        super().__init__(message)
        self.wait_s = min(wait_s, _LONGEST_WAIT_S)
        self.answer = answer


class Sent(NamedTuple):
    """A body, with its kind."""

    content_type: str
    data: bytes


class Site:
    """One system, for as long as `opened` lasts."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self.url = url

    async def get(self, path: str, **query: Any) -> Any:
        """JSON; raises Refusal."""
        return await self.patiently(lambda: self.ask("GET", path, query))

    async def post(self, path: str, body: Any) -> Any:
        """JSON; raises Refusal."""
        sent = Sent("application/json", orjson.dumps(body))
        return await self.patiently(lambda: self.ask("POST", path, {}, sent))

    async def patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Again for a while, until there is an answer; raises Refusal."""
        for wait_s in _WAITS_S:
            try:
                return await ask()
            except BrokenOff as error:
                await asyncio.sleep(max(wait_s, error.wait_s))
        try:
            return await ask()
        except BrokenOff as error:
            raise Refusal(f"{self.url}: {error}", ExitCode.DIED) from error

    async def ask(self, method: str, path: str, query: Mapping[str, Any], sent: Sent | None = None) -> Any:
        """Once: the JSON of an answer; raises BrokenOff and Refusal."""
        async with aclosing(self.blocks(method, path, query, sent)) as blocks:
            data = b"".join([block async for block in blocks])
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise _stranger(self.url, 200) from error

    async def blocks(
        self, method: str, path: str, query: Mapping[str, Any], sent: Sent | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Once: the bytes of an answer as they come, to its very end; raises BrokenOff and Refusal."""
        given = {name: str(value) for name, value in query.items() if value not in (None, "")}
        headers = {} if sent is None else {"Content-Type": sent.content_type}
        body = None if sent is None else sent.data
        try:
            async with self._http.request(method, path, params=given, headers=headers, data=body) as answer:
                if answer.status >= 400:
                    raise _error(self.url, answer, await answer.read())
                if answer.content_type == "text/html":
                    raise _stranger(self.url, answer.status)
                async for block in answer.content.iter_any():
                    yield block
        except (aiohttp.ClientError, OSError) as error:
            raise BrokenOff(f"it can't be reached, or broke off ({error!r}); --url says where it is") from error


@asynccontextmanager
async def opened(**flags: Any) -> AsyncIterator[Site]:
    """As the settings say; raises Refusal."""
    refuse_unknown()
    settings = read_settings(RemoteSettings, **flags)
    headers = {"X-API-Key": settings.key} if settings.key else {}
    async with aiohttp.ClientSession(settings.url, headers=headers, timeout=_TIMES) as http:
        yield Site(http, settings.url)


def _stranger(url: str, status: int) -> Refusal:
    return Refusal(f"{url} answers {status}, and not as telemetrio does: check --url", ExitCode.DIED)


def _error(url: str, answer: aiohttp.ClientResponse, data: bytes) -> Exception:
    try:
        said = orjson.loads(data)
        message = str(said["message"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return _stranger(url, answer.status)
    if answer.status in _BUSY:
        wait = answer.headers.get("Retry-After", "")
        return BrokenOff(message, float(wait) if wait.isdigit() else 0.0, said)
    wrong = [f"{each['field']}: {each['message']}" for each in said.get("details", ()) if each["message"] != message]
    told = "; ".join([message, *wrong])
    if answer.status in (401, 403):
        told += (
            ". Give an API key that may do this (`telemetrio key add`): TELEMETRIO_API_KEY, or TELEMETRIO_API_KEY_FILE"
        )
    return Refusal(told, ExitCode.WRONG_SETTINGS)
