"""InfluxDB over HTTP: one client for three generations, and what its status codes mean."""

import math
import re
import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp
import orjson
from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync

from shared.timeseries.influxql import Statement, names_no_bucket
from shared.timeseries.settings import StoreSettings
from shared.timeseries.store import Denied, Missing, Unavailable

_LONGEST_WAIT_S: Final = 300.0
_REASON_LENGTH: Final = 1024
_PLAIN: Final = {"Content-Type": "text/plain; charset=utf-8"}
# not compressed: for a page of readings that would take InfluxDB as long as the answer itself
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded", "Accept-Encoding": "identity"}
_WRITE_V1: Final = "/write"
_WRITE_V2: Final = "/api/v2/write"
# `v2.7.12`, `1.6.7~rc0`, `3.0.1`
_version: Final = re.compile(r"v?(\d+)\.(\d+)").match


@dataclass(frozen=True, slots=True)
class Target:
    """Where to write. On 1.x the token is `user:password` or empty, `org` is not used, `bucket` is the database.

    `ca_file`: who may sign the server's certificate; None: whom the system trusts.
    """

    url: str
    token: str = field(repr=False)
    org: str
    bucket: str
    ca_file: Path | None = None


def target_of(settings: StoreSettings) -> Target:
    """The server and bucket that a process is told of."""
    return Target(
        settings.influxdb_url,
        settings.token,
        settings.influxdb_org,
        settings.influxdb_bucket,
        settings.influxdb_ca_file,
    )


class Answer(NamedTuple):
    """What the server said to a request: its status, its reason, and when to come back, if it said so."""

    status: int
    reason: str = ""
    retry_after_s: float | None = None

    @property
    def stored(self) -> bool:
        """Only 204, which all versions answer: a 200 is a proxy's page, and would lose the batch."""
        return self.status == 204

    @property
    def refused(self) -> bool:
        """Something in it was not taken, or the server can't take anything; the status doesn't say which."""
        return self.status in (400, 422)


def outage(answer: Answer) -> Unavailable:
    """The error for an answer that says nothing about single readings."""
    said = f"InfluxDB answers {answer.status}: {answer.reason}"
    if answer.status == 404 and names_no_bucket(answer.reason):
        return Missing(said, answer.retry_after_s)
    if answer.status in (401, 403, 404):
        return Denied(said, answer.retry_after_s)
    return Unavailable(said, answer.retry_after_s)


class Speechless(Unavailable):
    """InfluxDB 1.x has come to a number that JSON has no word for, like 2e308, and answers 200 with a complaint."""


class InfluxHttp:
    """Requests to one server, whichever bucket they are about. The client is made on the loop that first uses it."""

    def __init__(self, target: Target, timeout_s: float) -> None:
        self._target = target
        self._timeout_s = timeout_s
        self._client: Any = None  # its methods have no types
        self._write_path: str | None = None

    async def write(self, bucket: str, body: bytes) -> Answer:
        """Send lines; raises Unavailable if no answer came. After an outage the version is asked for again."""
        path = self._write_path or await self._find_write_path()
        where = {"bucket": bucket, "org": self._target.org} if path == _WRITE_V2 else {"db": bucket}
        where["precision"] = "ns"
        try:
            answer = _answer(await self._send("POST", path, where, header_params={**_PLAIN}, body=body))
        except Unavailable:
            self._write_path = None  # perhaps another server will stand there
            raise
        self._write_path = path if answer.stored or answer.refused else None
        return answer

    async def _find_write_path(self) -> str:
        """`/api/v2/write`, unless the server says that it is older than 1.8; raises Unavailable while it says neither.

        A guess would be asked of a server that has no such path, and its 404 be taken for a missing bucket.
        """
        version = await self.version()
        return _WRITE_V1 if version is not None and version < (1, 8) else _WRITE_V2

    async def version(self) -> tuple[int, int] | None:
        """What the server says that it is, None if nothing; raises Unavailable."""
        response = await self._send("GET", "/ping", {})
        if response.status not in (200, 204):
            answer = _answer(response)
            raise outage(answer._replace(reason=f"to /ping: {answer.reason}"))
        said = _version(response.headers.get("X-Influxdb-Version", ""))
        return (int(said[1]), int(said[2])) if said else None

    async def manage(self, method: str, path: str, query: dict[str, str], body: Any = None) -> tuple[Answer, Any]:
        """A request of 2.x about buckets or organizations, and the JSON of its answer; raises Unavailable."""
        response = await self._send(method, path, query, **({} if body is None else {"body": body}))
        try:
            return _answer(response), orjson.loads(response.body)
        except orjson.JSONDecodeError as error:
            raise Unavailable("something else than InfluxDB answers at its URL: no JSON") from error

    async def query(self, bucket: str, statement: Statement) -> Any:
        """The JSON of an answer; raises Unavailable. Asked in a body: neither its length nor access logs matter."""
        form = {"q": statement.text, "epoch": "ns", "params": orjson.dumps(statement.params).decode()}
        where = {"db": bucket}
        fields = list({**where, **form}.items())
        response = await self._send("POST", "/query", where, header_params={**_FORM}, post_params=fields)
        if response.status != 200:
            raise outage(_answer(response))
        try:
            return orjson.loads(response.body)
        except orjson.JSONDecodeError as error:
            if b"json: unsupported value" in response.body:
                raise Speechless(f"InfluxDB answers 200 and {reason_of(response.body)}") from error
            raise Unavailable("something else than InfluxDB answers at its URL: no JSON") from error

    async def _send(self, method: str, path: str, query: dict[str, str], **given: Any) -> "_Response":
        """One request, its answer read to the end; raises Unavailable when there is none."""
        try:
            response: aiohttp.ClientResponse = await self._opened().api_client.call_api(
                path, method, query_params=list(query.items()), _preload_content=False, **given
            )
            async with response:
                return _Response(response.status, response.headers, await response.read())
        except TimeoutError as error:
            raise Unavailable(f"InfluxDB did not answer within {self._timeout_s:g} s") from error
        except aiohttp.ClientConnectorCertificateError as error:
            said = f"InfluxDB's certificate is not trusted: {error.certificate_error}"
            raise Unavailable(f"{said}; TELEMETRIO_INFLUXDB_CA_FILE names who may sign it") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unavailable(f"InfluxDB can't be reached: {error!r}"[:_REASON_LENGTH]) from error

    def _opened(self) -> Any:
        """Made on the loop that uses it. Redirects are not followed: a POST would arrive as an empty GET."""
        if self._client is None:
            limits = aiohttp.ClientTimeout(total=self._timeout_s, sock_connect=min(5.0, self._timeout_s))
            target = self._target
            trusted = None if target.ca_file is None else str(target.ca_file)
            self._client = InfluxDBClientAsync(
                target.url, target.token, target.org, timeout=limits, allow_redirects=False, ssl_ca_cert=trusted
            )
            if ":" in target.token:  # `user:password` of 1.x, which knows `Token` only since 1.8; no token has a colon
                basic = b64encode(target.token.encode()).decode()
                self._client.api_client.set_default_header("Authorization", f"Basic {basic}")
        return self._client

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None


class _Response(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


def _answer(response: _Response) -> Answer:
    wait_s = seconds(response.headers.get("Retry-After"), time.time())
    return Answer(response.status, "" if response.status == 204 else reason_of(response.body), wait_s)


def reason_of(data: bytes) -> str:
    """The server's words, from the JSON of whichever version, or as they are."""
    try:
        said = orjson.loads(data)
    except orjson.JSONDecodeError:
        return data[:_REASON_LENGTH].decode("utf-8", "replace").strip()
    if not isinstance(said, dict):
        return str(said)[:_REASON_LENGTH]
    lines = said.get("data")  # 3.x: one object, or one for each rejected line
    first = lines[0] if isinstance(lines, list) and lines else lines
    if isinstance(first, dict) and first.get("error_message"):
        return str(first["error_message"])[-_REASON_LENGTH:]
    # the end of it counts: the beginning quotes the line
    return str(said.get("message") or said.get("error") or said)[-_REASON_LENGTH:]


def seconds(said: str | None, now: float) -> float | None:
    """Retry-After, as seconds or as a date, at most five minutes; None for none and for what is neither."""
    if said is None:
        return None
    try:
        wait_s = float(said)
    except ValueError:
        try:
            wait_s = parsedate_to_datetime(said).timestamp() - now
        except (ValueError, OverflowError):
            return None
    return min(max(wait_s, 0.0), _LONGEST_WAIT_S) if math.isfinite(wait_s) else None
