"""Signed tokens (JWT, HS256 and nothing else): who is let in, and for how long. Pure: the time is handed in.

Each kind of token has a key of its own, a type and an audience, so that none can be taken for another.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import jwt

ISSUER: Final = "telemetrio"
SKEW_S: Final = 10
"""By so much the clocks of two servers may differ."""
_ALGORITHM: Final = "HS256"
_LONGEST: Final = 2_048


class BadToken(Exception):
    """It is not ours, is for something else, or its time is over; the message says which, for the log."""


class Kind(NamedTuple):
    """`type` is the header `typ`; `purpose` makes the key."""

    type: str
    audience: str
    lifetime_s: int

    def key(self, secret: str) -> bytes:
        return derived(secret, f"{self.type} {self.audience}")


def derived(secret: str, purpose: str) -> bytes:
    """32 bytes for one purpose: what is made for one says nothing about another."""
    return hmac.digest(secret.encode(), f"telemetrio {purpose}".encode(), hashlib.sha256)


def sign(kind: Kind, secret: str, claims: Mapping[str, Any], now_s: float) -> str:
    made = {"iss": ISSUER, "aud": kind.audience, "iat": int(now_s), "exp": int(now_s) + kind.lifetime_s}
    return jwt.encode({**claims, **made}, kind.key(secret), algorithm=_ALGORITHM, headers={"typ": kind.type})


def read(kind: Kind, secret: str, token: str, now_s: float) -> Mapping[str, Any]:
    """The claims of a token that may be believed now; raises BadToken."""
    if len(token) > _LONGEST or not token.isascii():
        raise BadToken("no token of ours")
    try:
        seen = jwt.decode_complete(
            token,
            kind.key(secret),
            algorithms=[_ALGORITHM],
            audience=kind.audience,
            issuer=ISSUER,
            # compared below, with the time that was handed in
            options={"require": ["iat", "exp", "sub"], "verify_exp": False, "verify_iat": False},
        )
    except jwt.PyJWTError as error:
        raise BadToken(str(error)) from error
    if seen["header"].get("typ") != kind.type:
        raise BadToken("a token for something else")
    claims: Mapping[str, Any] = seen["payload"]
    begins, ends = claims["iat"], claims["exp"]
    if not (isinstance(begins, int) and isinstance(ends, int)):
        raise BadToken("times that are no integers")
    if not begins - SKEW_S <= now_s < ends + SKEW_S:
        raise BadToken("its time is over, or yet to come")
    return claims
