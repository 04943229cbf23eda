"""Every message of `/ws`, as pydantic models: what clients send is validated here, what they get is documented here.

Hot messages are put together as text in frames.py; tests hold them against these models.
"""

from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from services.realtime.errors import BadMessage
from shared.identifiers import DeviceId, MetricName
from shared.readings import Value

PROTOCOL_VERSION: Final = 1
MAX_MESSAGE_BYTES: Final = 64 * 1024
MAX_DEVICES: Final = 1_000
MAX_CURSOR_LENGTH: Final = 16 * 1024

GapReason = Literal["slow_client", "feed", "not_stored_yet"]
MessageId = Annotated[int, Field(ge=0, le=2**53, strict=True, description="The client's own number of a subscription.")]
Timestamp = Annotated[
    str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$", description="UTC, always nine fraction digits.")
]
Cursor = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", description="Opaque: a place in the stream.")]
Since = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_CURSOR_LENGTH,
        description="A cursor, or a time: ISO 8601, integer, or relative like -10m.",
    ),
]
Rate = Annotated[float, Field(ge=0.1, le=1000, allow_inf_nan=False, description="Newest values so often a second.")]
Devices = Annotated[list[DeviceId], Field(min_length=1, max_length=MAX_DEVICES)]
Metrics = Annotated[list[MetricName], Field(min_length=1, max_length=100)]


class Message(BaseModel):
    """Unknown fields are refused by name, so that a client learns what this version can't do."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Subscribe(Message):
    """Begin, or replace, the subscription `id`. `"*"`: every device that the client may see, later ones too."""

    type: Literal["subscribe"]
    id: MessageId
    devices: Devices | Literal["*"]
    metrics: Metrics | None = None
    since: Since | None = None
    rate_hz: Rate | None = None


class Unsubscribe(Message):
    type: Literal["unsubscribe"]
    id: MessageId


class Ping(Message):
    type: Literal["ping"]


class Auth(Message):
    """The first message of a client that did not show its ticket in the address. In open mode it changes nothing."""

    type: Literal["auth"]
    ticket: Annotated[str, Field(min_length=1, max_length=4096)]


class ShownReading(Message):
    device_id: DeviceId
    timestamp: Timestamp
    measurement: MetricName
    values: dict[MetricName, Value]


class Welcome(Message):
    """The first message of every session. A client reconnects after hearing nothing for two heartbeats and a bit."""

    type: Literal["welcome"]
    version: int
    heartbeat_s: float


class Subscribed(Message):
    """`devices`: how many of them are known. `unknown`: ids that do not exist, or that the client may not see."""

    type: Literal["subscribed"]
    id: MessageId
    devices: int
    unknown: list[DeviceId]


class Snapshot(Message):
    """The newest values of each device. A large one comes in several messages of the same `id`."""

    type: Literal["snapshot"]
    id: MessageId
    readings: list[ShownReading]


class History(Message):
    """What was missed since the place that the subscription named. A large one comes in several messages."""

    type: Literal["history"]
    id: MessageId
    readings: list[ShownReading]


class CaughtUp(Message):
    """The end of `history`: live follows. Until then the cursor to come back with is the one that was asked with."""

    type: Literal["caught_up"]
    id: MessageId
    cursor: Cursor


class Readings(Message):
    type: Literal["readings"]
    cursor: Cursor
    readings: list[ShownReading]


class Status(Message):
    """What a device, or its last will, said of itself."""

    type: Literal["status"]
    device_id: DeviceId
    status: Literal["online", "offline"]
    last_seen: Timestamp


class Gap(Message):
    """Something of these devices, with times between `from` and `to`, was not sent, or not whole.

    `dropped`: how many readings, 0 where nobody knows. Subscribing again with `since` brings them.
    """

    type: Literal["gap"]
    devices: list[DeviceId] | Literal["*"]
    since: Cursor
    from_: Timestamp = Field(alias="from")
    to: Timestamp
    dropped: int
    reason: GapReason


class Heartbeat(Message):
    type: Literal["heartbeat"]
    cursor: Cursor


class Pong(Message):
    type: Literal["pong"]


class Error(Message):
    """`id` is the client's, or null where its message had none."""

    type: Literal["error"]
    id: MessageId | None
    code: Literal[
        "bad_message",
        "bad_since",
        "history_unavailable",
        "rate_limited",
        "snapshot_incomplete",
        "too_many_subscriptions",
        "too_much_history",
        "unknown_field",
        "unknown_type",
    ]
    message: str


ClientMessage = Annotated[Subscribe | Unsubscribe | Ping | Auth, Field(discriminator="type")]
ServerMessage = Annotated[
    Welcome | Subscribed | Snapshot | History | CaughtUp | Readings | Status | Gap | Heartbeat | Pong | Error,
    Field(discriminator="type"),
]

client_messages: Final[TypeAdapter[Subscribe | Unsubscribe | Ping | Auth]] = TypeAdapter(ClientMessage)
server_messages: Final[TypeAdapter[Any]] = TypeAdapter(ServerMessage)

_CODES: Final = {"extra_forbidden": "unknown_field", "union_tag_invalid": "unknown_type"}
_SENTENCES: Final = {"extra_forbidden": "this server does not know the field"}


def parse(text: str) -> Subscribe | Unsubscribe | Ping | Auth:
    """What a client sent; raises BadMessage with a sentence that names the field."""
    try:
        body = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadMessage("bad_message", f"not JSON: {error}") from error
    try:
        return client_messages.validate_python(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        kind = first["type"]
        where = ".".join(str(part) for part in first["loc"][1:])  # the first part is the message's type
        sentence = _SENTENCES.get(kind, first["msg"])
        raise BadMessage(
            _CODES.get(kind, "bad_message"), f"{where}: {sentence}" if where else sentence, _id(body)
        ) from error


def _id(body: Any) -> int | None:
    found = body.get("id") if isinstance(body, dict) else None
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= 2**53 else None
