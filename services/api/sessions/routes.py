"""/api/v1/auth/sessions: where the caller is logged in; end one, or all others. By login alone."""

from collections.abc import Mapping
from typing import Any

from quart import Blueprint, Response
from quart_schema import document_querystring, document_response, tag

from services.api.audit.records import note
from services.api.auth import Caller, guarded
from services.api.door import door
from services.api.encoding import reply
from services.api.errors import NotFound
from services.api.inputs import Query, query
from services.api.resources import resources
from services.api.sessions import queries
from services.api.sessions.schemas import OwnSessions
from shared.changes import Change
from shared.times import iso_ns

routes = Blueprint("sessions", __name__, url_prefix="/api/v1/auth/sessions")


@routes.get("")
@guarded(by_login=True)
@tag(["accounts"])
@document_querystring(Query)
@document_response(OwnSessions)
async def list_sessions(caller: Caller) -> Response:
    """Where the caller is logged in."""
    query(Query)
    rows = await queries.list_sessions(resources().engine, caller.user_id, door().now_ns())
    return reply([_told(row, caller) for row in rows])


@routes.delete("")
@guarded(by_login=True)
@tag(["accounts"])
async def end_other_sessions(caller: Caller) -> Response:
    """Log out everywhere else: every session of the caller but this one ends."""
    ended = await queries.end_others(resources().engine, caller.user_id, caller.session, door().now_ns())
    _cut_streams(caller)
    await note("sessions_ended", caller.user_id, f"{ended} other sessions")
    return Response(b"", status=204)


@routes.delete("/<session_id>")
@guarded(by_login=True)
@tag(["accounts"])
async def end_session(caller: Caller, session_id: str) -> Response:
    """End one session of the caller."""
    known = "\x00" not in session_id  # PostgreSQL could not even look for it
    if not (known and await queries.end_one(resources().engine, caller.user_id, session_id, door().now_ns())):
        raise NotFound("Session not found", "session_not_found")
    _cut_streams(caller)
    await note("sessions_ended", caller.user_id, session_id)
    return Response(b"", status=204)


def _cut_streams(caller: Caller) -> None:
    """Live streams of what ended end, too."""
    resources().registry_changed(Change(kind="user", id=caller.user_id))


def _told(row: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
    return {
        "id": row["id"],
        "created_at": iso_ns(row["created_ns"]),
        "last_used_at": iso_ns(row["rotated_ns"]),
        "expires_at": iso_ns(row["expires_ns"]),
        "current": row["id"] == caller.session,
    }
