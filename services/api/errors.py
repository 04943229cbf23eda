"""Everything that can go wrong, in one shape: raised by routes as these errors, answered by one handler each."""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import asyncpg  # type: ignore[import-untyped] # ships no types; only its exceptions are named
import structlog
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from quart import Quart, Response, g, request
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from services.api.encoding import reply
from shared.gate import request_id
from shared.timeseries.store import StoreError, Unavailable

log = structlog.get_logger()

RETRY_AFTER_S: Final = 5
_LONGEST_RETRY_S: Final = 300
# what PostgreSQL says when no statement is at fault: no connection, no login, no such database, a failover, a deadlock,
# no room, starting up, shutting down, given up
_NOT_NOW: Final = ("08", "28", "3D", "25006", "40", "53", "57")
_LONGEST_NAME: Final = 64
_MESSAGES: Final = {
    400: "The request can't be understood",
    404: "Resource not found",
    408: "The body took too long to arrive",
    413: "The body is too large",
}


class Detail(NamedTuple):
    """One thing that is wrong with a request."""

    field: str
    code: str
    message: str


class ApiError(Exception):
    """What a route refuses, as the client will read it; `field` names what was wrong with the request.

    ApiError          `status` is the class's, `code` and the message are said where it is raised
    ├── BadRequest    400
    ├── Unauthorized  401: nobody knows who is asking
    ├── Forbidden     403
    ├── NotFound      404, also for what belongs to another tenant
    ├── Conflict      409: not in the state in which things are
    ├── WrongType     415
    ├── TooMany       429, with `retry_after_s`
    └── Away          503: somebody who is needed isn't there just now
    """

    status = 500

    def __init__(self, message: str, code: str, *, field: str = "", details: Sequence[Detail] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.details = [Detail(field, code, message)] if field else details

    @property
    def headers(self) -> dict[str, str]:
        """What the answer says beside its body."""
        return {}


class BadRequest(ApiError):
    status = 400


class Unauthorized(ApiError):
    status = 401

    @property
    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": "Bearer"}


class Forbidden(ApiError):
    status = 403


class NotFound(ApiError):
    status = 404


class Conflict(ApiError):
    status = 409


class WrongType(ApiError):
    status = 415


class TooMany(ApiError):
    status = 429

    def __init__(self, message: str, code: str, retry_after_s: float) -> None:
        super().__init__(message, code)
        self.retry_after_s = max(1, math.ceil(retry_after_s))

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after_s)}


class Away(ApiError):
    status = 503

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(RETRY_AFTER_S)}


def register_errors(app: Quart) -> None:
    """Give every error of this app the shape of docs/http.md, and every answer its X-Request-ID."""
    app.register_error_handler(ApiError, _refused)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(DBAPIError, _database)
    # what goes wrong while connecting comes as the driver raised it
    for away in (PoolTimeout, asyncpg.PostgresError, asyncpg.InterfaceError):
        app.register_error_handler(away, _database_away)
    app.register_error_handler(OSError, _unreachable)
    app.register_error_handler(StoreError, _store)
    app.register_error_handler(Exception, _broken)
    app.before_request(_name_request)
    app.after_request(_tell_request)


def invalid(error: ValidationError) -> BadRequest:
    """The first thing that is wrong as the message, all of it as details; never the input itself."""
    details = [_detail(seen) for seen in error.errors(include_url=False, include_context=False)]
    return BadRequest(details[0].message, "validation_failed", details=details)


def _detail(seen: ErrorDetails) -> Detail:
    field = ".".join(str(part) for part in seen["loc"])[:_LONGEST_NAME]
    label = field.replace("_", " ").capitalize()
    if seen["type"] in ("missing", "string_too_short") or (field and seen["input"] is None):
        return Detail(field, "required", f"{label} is required")
    if seen["type"] == "extra_forbidden":
        return Detail(field, "unknown", f"{field} is not known here")
    message = seen["msg"].removeprefix("Value error, ")
    return Detail(field, seen["type"], f"{label}: {message}" if label else message)


def answer(
    status: int, code: str, message: str, details: Sequence[Detail] = (), headers: dict[str, str] | None = None
) -> Response:
    """The one shape. `error` and `message` say the same: each is what some frontend reads."""
    told = {"error": message, "message": message, "status": status, "code": code}
    listed = [detail._asdict() for detail in details]
    return reply({**told, "details": listed, "request_id": g.request_id}, status, headers)


async def _name_request() -> None:
    g.request_id = request_id(request.headers.get("X-Request-ID"))


async def _tell_request(response: Response) -> Response:
    response.headers["X-Request-ID"] = g.request_id
    return response


async def _refused(error: ApiError) -> Response:
    return answer(error.status, error.code, error.message, error.details, error.headers)


async def _http(error: HTTPException) -> Response:
    status = error.code or 500
    code = error.name.lower().replace(" ", "_").replace("'", "")
    if isinstance(error, MethodNotAllowed):
        allowed = ", ".join(sorted(error.valid_methods or ()))
        return answer(status, code, f"This path knows only {allowed}", headers={"Allow": allowed})
    return answer(status, code, _MESSAGES.get(status, error.name))


async def _database(error: DBAPIError) -> Response:
    away = isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated
    if away or str(getattr(error.orig, "sqlstate", "")).startswith(_NOT_NOW):
        return await _database_away(error)
    return await _broken(error)


async def _unreachable(error: OSError) -> Response:
    # refused, reset, timed out, no such host, no such socket; pages alone read files of their own
    return await (_broken(error) if request.blueprint == "pages" else _database_away(error))


async def _database_away(error: Exception) -> Response:
    log.warning("database_unavailable", error=repr(error), request_id=g.request_id)
    return _away("database_unavailable", "The database can't be reached just now", RETRY_AFTER_S)


async def _store(error: StoreError) -> Response:
    log.warning("store_unavailable", error=repr(error), request_id=g.request_id)
    wanted = error.retry_after_s if isinstance(error, Unavailable) else None
    retry_s = min(max(int(wanted or RETRY_AFTER_S), 1), _LONGEST_RETRY_S)
    return _away("store_unavailable", "The time-series store can't be reached just now", retry_s)


def _away(code: str, message: str, retry_s: int) -> Response:
    return answer(503, code, message, headers={"Retry-After": str(retry_s)})


async def _broken(error: Exception) -> Response:
    log.error("request_failed", path=request.path, request_id=g.request_id, exc_info=error)
    return answer(500, "internal_error", "Something went wrong here; the log has it under this request_id")
