"""/api/v1/broker: authenticate, authorize. For a broker that proves itself with a secret of its own, and nobody else.

Any status but 200 means "ask the next one" to EMQX: whatever can't be allowed is denied in words, with 200.
"""

from collections.abc import Awaitable, Callable
from functools import wraps
from hmac import compare_digest
from typing import Final

import structlog
from quart import Blueprint, Response, request
from quart_schema import hide

from services.api.addresses import neighbourhood
from services.api.audit.records import came_from
from services.api.auth import public
from services.api.brokerauth import queries
from services.api.brokerauth.schemas import Deed, Entry, Result
from services.api.credentials.usernames import Named, parse_username
from services.api.database import DATABASE_AWAY
from services.api.door import door
from services.api.encoding import reply
from services.api.errors import ApiError, NotFound
from services.api.inputs import body
from services.api.resources import resources
from shared.passwords import password_matches
from shared.topics import device_topics

routes = Blueprint("brokerauth", __name__, url_prefix="/api/v1/broker")

log = structlog.get_logger()

_BEARER: Final = "bearer "

Judge = Callable[[], Awaitable[Result]]


def for_a_broker(judge: Judge) -> Callable[[], Awaitable[Response]]:
    """The route is not there unless a secret is set; then it answers whoever knows it, and denies everybody else."""

    @wraps(judge)
    async def judged() -> Response:
        secret = resources().broker_secret
        if not secret:
            raise NotFound("Resource not found", "not_found")
        return reply({"result": await _result(judge) if _proves(secret) else "deny"})

    return judged


@routes.post("/authenticate")
@public
@hide
@for_a_broker
async def authenticate() -> Result:
    """Whether a device is who it says: with its own client id, which is its id, and a password of its own."""
    asked = await body(Entry)
    named = parse_username(asked.username)
    if named is None:
        return "ignore"
    if asked.clientid != named.device_id:
        return "deny"
    here, attempt = door(), ("broker", asked.peerhost, named)
    if here.limits.tries.take(attempt, here.moment_s()):
        return "deny"
    try:
        found = await _find(named)
    except DATABASE_AWAY:  # nobody has guessed
        here.limits.tries.give_back(attempt)
        raise
    if found is None or not password_matches(asked.password.encode(), found.password_hash):
        return "deny"
    here.limits.tries.give_back(attempt)
    await queries.mark_used(resources().engine, found.id, here.now_ns())
    return "allow"


@routes.post("/authorize")
@public
@hide
@for_a_broker
async def authorize() -> Result:
    """Whether a device may: under its own topics alone, and only while its credential is good."""
    asked = await body(Deed)
    named = parse_username(asked.username)
    if named is None:
        return "ignore"
    own = tuple(device_topics(named.device_id, prefix) for prefix in resources().device_prefixes)
    return "allow" if asked.topic.startswith(own) and await _find(named) is not None else "deny"


async def _result(judge: Judge) -> Result:
    """What can't be understood, and what can't be looked up just now, is denied."""
    try:
        return await judge()
    except ApiError as error:
        log.warning("broker_not_understood", reason=error.message)
    except DATABASE_AWAY as error:
        log.warning("broker_not_answered", reason=f"{type(error).__name__}: {error}"[:300])
    return "deny"


def _proves(secret: str) -> bool:
    """Whether this is our broker. Who is not is told nothing, and fills no log."""
    here, address = door(), ("broker", neighbourhood(came_from()))
    shown = request.headers.get("Authorization", "")
    right = compare_digest(shown[len(_BEARER) :].encode(), secret.encode()) and shown.lower().startswith(_BEARER)
    if not right and not here.limits.addresses.take(address, here.moment_s()):
        log.warning("broker_unknown", address=address[1])
    return right


async def _find(named: Named) -> queries.Found | None:
    return await queries.find_credential(resources().engine, named)
