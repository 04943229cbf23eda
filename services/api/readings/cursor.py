"""The cursor of a readings query: where a page ended, bound to the question that it belongs to. Opaque to clients."""

import base64
import binascii
from collections.abc import Sequence
from hashlib import blake2s
from typing import Any, Final, NamedTuple, TypeVar

import orjson
from pydantic import TypeAdapter, ValidationError

from services.api.errors import BadRequest
from services.api.inputs import Int64, Text

VERSION: Final = 2


class Position(NamedTuple):
    """Where a page ended, and its range in absolute times: a relative `-15m` must not move between two pages."""

    start_ns: Int64
    end_ns: Int64
    after_ns: Int64
    after_measurement: Text
    after_user: Int64


class Spot(NamedTuple):
    """Where the answer about many devices goes on: with this device, at this window or after that reading."""

    start_ns: Int64
    end_ns: Int64
    device_id: Text
    window: Int64 = 0
    after: tuple[Int64, Text, Int64] | None = None


P = TypeVar("P", Position, Spot)

_position: Final = TypeAdapter(Position)
_spot: Final = TypeAdapter(Spot)


def encode(position: Position, question: str) -> str:
    """`question`: the query as the client wrote it; another one will not accept this cursor."""
    return _sealed([VERSION, *position], question)


def decode(cursor: str, question: str) -> Position:
    """The inverse; raises BadRequest for a cursor that was changed, cut, or belongs to another query."""
    return _read(_position, cursor, question)


def encode_spot(spot: Spot, question: str) -> str:
    """The same for a spot."""
    return _sealed([VERSION, *spot], question)


def decode_spot(cursor: str, question: str) -> Spot:
    """The inverse; raises BadRequest."""
    return _read(_spot, cursor, question)


def _read(kind: TypeAdapter[P], cursor: str, question: str) -> P:
    try:
        found = kind.validate_python(_opened(cursor, question))
    except ValidationError as error:
        raise _bad() from error
    if found.start_ns >= found.end_ns:  # no page of ours ends in such a range
        raise _bad()
    return found


def _sealed(content: Sequence[Any], question: str) -> str:
    raw = orjson.dumps(content)
    return base64.urlsafe_b64encode(_digest(raw, question) + raw).rstrip(b"=").decode()


def _opened(cursor: str, question: str) -> list[Any]:
    try:
        raw = base64.b64decode(cursor.encode() + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise _bad() from error
    digest, content = raw[:_DIGEST_BYTES], raw[_DIGEST_BYTES:]
    if digest != _digest(content, question):
        raise _bad()
    try:
        told = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise _bad() from error
    if not isinstance(told, list) or told[:1] != [VERSION]:
        raise _bad()
    return told[1:]


_DIGEST_BYTES: Final = 9


def _digest(content: bytes, question: str) -> bytes:
    # against mistakes, not against forgery: the tenant filter never comes from a cursor
    return blake2s(content + b"\0" + question.encode(), digest_size=_DIGEST_BYTES).digest()


def _bad() -> BadRequest:
    message = "This cursor does not belong to this query: repeat the query as it was, or start without a cursor"
    return BadRequest(message, "bad_cursor", field="cursor")
