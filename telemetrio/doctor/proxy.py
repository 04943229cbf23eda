"""The proxy before us, seen from outside: whether requests come through, and whether live streams stay."""

import asyncio
import base64
import json
import secrets
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

from telemetrio.doctor.finding import Finding

_WITHIN_S: Final = 10.0
_TEXT, _CLOSE = 1, 8
_MOST_BYTES: Final = 1 << 20
_PAST_HEARTBEAT_S: Final = 5.0
_LONGEST_S: Final = 120.0
_UPGRADE: Final = (
    'nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";'
)
_KEEP: Final = (
    "nginx, for /ws, /sse and /socket.io: proxy_read_timeout 3600s; proxy_send_timeout 3600s; proxy_buffering off;"
)


class Watched(NamedTuple):
    """What became of a live connection: the status of the handshake, and when it was cut, if it was."""

    status: int
    cut_after_s: float | None = None


async def check_proxy(url: str, key: str = "") -> Sequence[Finding]:
    """`url` is what browsers open. Takes as long as the server's heartbeat, 20 s.

    `key`: an API key, for where one must log in: without it the server hangs up after 10 s, and all is well until then.
    """
    refused = await asyncio.to_thread(_request, f"{url.rstrip('/')}/api/v1/health")
    if refused:
        return [refused]
    try:
        ticket = await asyncio.to_thread(_ticket, url, key) if key else ""
        watched = await watch(urlsplit(url), ticket)
    except urllib.error.HTTPError as error:
        return [_without_ticket(url, error)]
    except (OSError, EOFError, ValueError, HTTPException) as error:
        return [_broken(url, str(error) or type(error).__name__)]
    return judge(url, watched)


def judge(url: str, watched: Watched) -> Sequence[Finding]:
    if watched.status != 101:
        why, mend = _refused(watched.status)
        found = f"{url}/ws answers {watched.status} to a WebSocket: {why}"
        return [Finding("proxy", found, "pages show nothing live", mend)]
    if watched.cut_after_s is not None:
        found = f"A quiet WebSocket at {url}/ws was cut after {watched.cut_after_s:.0f} s"
        means = "live pages lose their connection again and again: they come back, and what is shown stutters"
        return [Finding("proxy", found, means, _KEEP)]
    return []


def _refused(status: int) -> tuple[str, str]:
    """Why a handshake is not taken, and what to do."""
    if 300 <= status < 400:
        return "it leads elsewhere", "give --url the address to which it leads: https:// where this was http://"
    if status in {502, 503, 504}:
        return "nobody answers behind the proxy", "start telemetrio realtime; look at the proxy_pass of /ws"
    return "the proxy does not pass the upgrade on", _UPGRADE


def _request(url: str) -> Finding | None:
    try:
        with urllib.request.urlopen(url, timeout=_WITHIN_S) as answer:  # noqa: S310 - as the operator typed it
            status, body = answer.status, answer.read(10_000)
    except urllib.error.HTTPError as error:
        with error:
            status, body = error.code, error.read(10_000)
    except (OSError, ValueError, HTTPException) as error:
        return _broken(url, str(error) or type(error).__name__)
    if status == 421:
        mend = "add that name to TELEMETRIO_ALLOWED_HOSTS, and let the proxy send it (proxy_set_header Host $host)"
        return Finding("proxy", f"{url} answers 421: the api does not know this name", "nobody gets in", mend)
    try:
        healthy = status == 200 and json.loads(body).get("status") == "healthy"
    except (ValueError, AttributeError):
        healthy = False
    return None if healthy else _broken(url, f"it answers {status}, and not with the api's health")


def _ticket(url: str, key: str) -> str:
    """Raises OSError (HTTPError where it is refused), ValueError."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    asked = urllib.request.Request(f"{url.rstrip('/')}/api/v1/live/ticket", b'{"purpose": "ws"}', headers)  # noqa: S310 - as above
    with urllib.request.urlopen(asked, timeout=_WITHIN_S) as answer:  # noqa: S310 - as above
        told = json.loads(answer.read(10_000))
    if not isinstance(told, dict) or "ticket" not in told:
        raise ValueError("what it answers is no ticket for live streams")
    return str(told["ticket"])


def _without_ticket(url: str, error: urllib.error.HTTPError) -> Finding:
    with error:
        found = f"{url} gives no ticket for live streams: {error.code}"
    means = "whether a quiet stream stays is not known"
    mend = "put an API key with scope live into TELEMETRIO_API_KEY (telemetrio key add); without one it looks 10 s only"
    return Finding("proxy", found, means, mend)


def _broken(url: str, said: str) -> Finding:
    mend = "start the proxy and the api behind it; look at the proxy's error log, its certificate and its proxy_pass"
    return Finding("proxy", f"{url} can't be used: {said}", "nobody gets in from outside", mend)


async def watch(url: SplitResult, ticket: str = "") -> Watched:
    """Open /ws, say nothing, and wait for the server's heartbeat or farewell; raises OSError, EOFError, ValueError."""
    secure = url.scheme == "https"
    context = ssl.create_default_context() if secure else None
    async with asyncio.timeout(_WITHIN_S):
        port = url.port or (443 if secure else 80)
        reader, writer = await asyncio.open_connection(url.hostname, port, ssl=context)
    try:
        async with asyncio.timeout(_WITHIN_S):
            status = await _upgrade(url, ticket, reader, writer)
        return Watched(status, await _wait(reader) if status == 101 else None)
    finally:
        writer.transport.abort()


async def _upgrade(url: SplitResult, ticket: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    lines = (
        f"GET {url.path.rstrip('/')}/ws{f'?ticket={ticket}' if ticket else ''} HTTP/1.1",
        f"Host: {url.netloc.rpartition('@')[2]}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(secrets.token_bytes(16)).decode()}",
    )
    writer.write("\r\n".join([*lines, "", ""]).encode())
    head = await reader.readuntil(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1])


async def _wait(reader: asyncio.StreamReader) -> float | None:
    """After how many seconds the line was cut; None: the server spoke, or nobody did for long enough."""
    begun_s, quiet_s = time.monotonic(), _LONGEST_S
    try:
        async with asyncio.timeout(_LONGEST_S) as limit:
            while True:
                opcode, payload = await _frame(reader)
                told = json.loads(payload) if opcode == _TEXT else {}
                if opcode == _CLOSE or told.get("type") == "heartbeat":
                    return None
                if told.get("type") == "welcome":
                    quiet_s = min(float(told["heartbeat_s"]) + _PAST_HEARTBEAT_S, _LONGEST_S)
                    limit.reschedule(asyncio.get_running_loop().time() + quiet_s)
    except TimeoutError:
        return None
    except (OSError, EOFError):
        return time.monotonic() - begun_s


async def _frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """The next one of a server: opcode and payload; raises EOFError, OSError, ValueError."""
    head = await reader.readexactly(2)
    size = head[1] & 0x7F
    if size >= 126:
        size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8))
    if size > _MOST_BYTES:
        raise ValueError("what answers on /ws does not speak WebSocket")
    return head[0] & 0x0F, await reader.readexactly(size)
