"""The cursor of a list of devices: the id that a step ended with, bound to the question that it belongs to."""

import base64
import binascii
from hashlib import blake2s
from typing import Final

from services.api.errors import BadRequest
from services.api.inputs import MAX_INT64

_DIGEST_BYTES: Final = 8
_BYTES: Final = _DIGEST_BYTES + 8


def encode(after: int, question: str) -> str:
    """`question`: the query as the client wrote it; another one will not accept this cursor."""
    content = after.to_bytes(8)
    return base64.urlsafe_b64encode(_digest(content, question) + content).rstrip(b"=").decode()


def decode(cursor: str, question: str) -> int:
    """The inverse; raises BadRequest for a cursor that was changed, cut, or belongs to another query."""
    try:
        raw = base64.b64decode(cursor.encode() + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise _bad() from error
    content = raw[_DIGEST_BYTES:]
    after = int.from_bytes(content)
    if len(raw) != _BYTES or raw[:_DIGEST_BYTES] != _digest(content, question) or after > MAX_INT64:
        raise _bad()
    return after


def _digest(content: bytes, question: str) -> bytes:
    # against mistakes, not against forgery: the tenant filter never comes from a cursor
    return blake2s(content + question.encode(), digest_size=_DIGEST_BYTES).digest()


def _bad() -> BadRequest:
    message = "This cursor does not belong to this query: repeat the query as it was, or start without a cursor"
    return BadRequest(message, "bad_cursor", field="cursor")
