"""note: a line in the audit log, and in that of the process, for what happened to an account, a key or a credential."""

import structlog
from quart import request

from services.api.addresses import client_address
from services.api.audit import queries
from services.api.door import door
from services.api.resources import resources

log = structlog.get_logger()

_LONGEST_SUBJECT = 255


def came_from() -> str:
    """The address that this request came from."""
    forwarded = request.headers.getlist("X-Forwarded-For")
    return client_address(request.remote_addr or "", forwarded, door().trusted_hops)


async def note(event: str, user_id: int | None, subject: str = "", *, ok: bool = True) -> None:
    """`event` like `login`; `subject`: whose account or which key. Never a secret."""
    outcome = "ok" if ok else "refused"
    seen = queries.Event(door().now_ns(), user_id, event, subject[:_LONGEST_SUBJECT], came_from(), outcome)
    log.info("audit", what=event, user_id=user_id, subject=seen.subject, address=seen.address, outcome=outcome)
    await queries.note(resources().engine, seen)
