"""GET /api/v1/audit."""

from quart import Blueprint, Response
from quart_schema import document_querystring, document_response, tag

from services.api.audit import queries
from services.api.audit.schemas import AuditPage, AuditQuery
from services.api.auth import Caller, guarded
from services.api.encoding import reply
from services.api.inputs import query
from services.api.resources import resources
from shared.times import iso_ns

routes = Blueprint("audit", __name__)


@routes.get("/api/v1/audit")
@guarded("admin")
@tag(["accounts"])
@document_querystring(AuditQuery)
@document_response(AuditPage)
async def list_events(_caller: Caller) -> Response:
    """Logins, refused ones too, and every change of users, keys, credentials and devices' owners; the newest first."""
    asked = query(AuditQuery)
    page, per_page, offset = asked.window()
    wanted = queries.Filter(asked.user_id, asked.event, asked.outcome)
    rows, total = await queries.page_of_events(resources().engine, wanted, limit=per_page, offset=offset)
    data = [{"time": iso_ns(row["ts_ns"]), **{name: row[name] for name in row if name != "ts_ns"}} for row in rows]
    return reply({"data": data, "total": total, "page": page, "per_page": per_page})
