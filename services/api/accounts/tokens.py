"""What a caller shows to be known again: access tokens, refresh tokens, API keys. Pure.

A refresh token is computed from its session and generation: nothing that could be stolen from the database is one, and
the successor of a token is the same however often it is asked for.
"""

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from typing import Final, NamedTuple

from shared.signed import BadToken, Kind, derived, read, sign

ACCESS: Final = Kind("at+jwt", "telemetrio-api", 15 * 60)
KEY_PREFIX: Final = "tk_"
HINT_CHARACTERS: Final = 9
_REFRESH: Final = re.compile(r"rt_([0-9a-f]{32})\.([0-9]{1,15})\.([A-Za-z0-9_-]{43})")


class Session(NamedTuple):
    """Who says so, and by which login."""

    id: str
    user_id: int


class Refresh(NamedTuple):
    """The `generation`-th refresh token of a session."""

    session: str
    generation: int


def access_token(secret: str, session: Session, now_s: float) -> str:
    """No two are alike, even of one second: a client can tell the one that was refused from its successor."""
    return sign(ACCESS, secret, {"sub": str(session.user_id), "sid": session.id, "jti": secrets.token_hex(8)}, now_s)


def read_access(secret: str, token: str, now_s: float) -> Session:
    """Raises BadToken."""
    claims = read(ACCESS, secret, token, now_s)
    session, user_id = claims.get("sid"), claims["sub"]
    if not isinstance(session, str) or not user_id.isascii() or not user_id.isdigit() or len(user_id) > 18:
        raise BadToken("a token without a session")
    return Session(session, int(user_id))


def refresh_token(secret: str, refresh: Refresh) -> str:
    return f"rt_{refresh.session}.{refresh.generation}.{_proof(secret, refresh)}"


def read_refresh(secret: str, token: str) -> Refresh:
    """Whether it may still be used is for the sessions to know; raises BadToken for what we never made."""
    found = _REFRESH.fullmatch(token)
    if found is None:
        raise BadToken("no refresh token of ours")
    refresh = Refresh(found[1], int(found[2]))
    if not hmac.compare_digest(found[3], _proof(secret, refresh)):
        raise BadToken("a refresh token that we never made")
    return refresh


def _proof(secret: str, refresh: Refresh) -> str:
    told = f"{refresh.session} {refresh.generation}".encode()
    made = hmac.digest(derived(secret, "refresh token"), told, hashlib.sha256)
    return urlsafe_b64encode(made).decode().rstrip("=")


def new_session() -> str:
    return secrets.token_hex(16)


def new_key() -> str:
    """An API key; it is shown once, and only its hash is kept."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


def hash_of_key(key: str) -> str:
    """Its 256 bits of chance can't be guessed: a slow hash would only make every request slow."""
    return hashlib.sha256(key.encode()).hexdigest()
