"""POST /api/v1/live/ticket."""

from quart import Blueprint, Response
from quart_schema import document_request, document_response, tag

from services.api.auth import Caller, guarded
from services.api.door import door
from services.api.encoding import reply
from services.api.inputs import optional_body
from services.api.live.schemas import LiveTicket, Wish
from shared.tickets import KINDS, Holder, issue

routes = Blueprint("live", __name__)


@routes.post("/api/v1/live/ticket")
@guarded(scope="live")
@tag(["live"])
@document_request(Wish)
@document_response(LiveTicket, 201)
async def make_ticket(caller: Caller) -> Response:
    """A ticket for one live stream, which shows what the caller may see. Without a body: for a WebSocket.

    The stream ends when the login or the key by which the ticket was asked for ends.
    """
    wish = await optional_body(Wish)
    here = door()
    holder = Holder(caller.user_id, caller.tenants is None, caller.session, caller.key)
    ticket = issue(here.secret, wish.purpose, holder, here.now_s)
    return reply({"ticket": ticket, "purpose": wish.purpose, "expires_in": KINDS[wish.purpose].lifetime_s}, 201)
