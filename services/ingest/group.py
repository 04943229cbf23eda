"""What is committed as one: the deliveries taken together, and all that their judgement left to write down."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, Literal, NamedTuple

from services.ingest.books import Moves
from services.ingest.delivery import Delivery, Message
from shared.keptjson import kept_json
from shared.readings import DeviceStatus, Reading, encode_readings
from shared.values import Flaw

MAX_READINGS: Final = 2_000
MAX_BYTES: Final = 256 * 1024
KEPT_PAYLOAD: Final = 64 * 1024

Kind = Literal["message", "part", "reading", "shed"]


class Letter(NamedTuple):
    """A dead letter: what could not be stored, with all that somebody needs to mend it.

    `entries` is its weight in the books; `payload` holds the first 64 KiB of what was `size` bytes long.
    """

    kind: Kind
    code: str
    detail: str
    device_id: str | None
    user_id: int | None
    topic: str
    received_ns: int
    entries: int
    payload: bytes
    size: int
    sha256: str
    paths: bytes  # JSON [[path, code], …]

    @classmethod
    def of(cls, kind: Kind, flaws: Sequence[Flaw], message: Message, owner: tuple[str | None, int | None]) -> "Letter":
        """A letter for what was refused of one message; its code is that of the first flaw."""
        first = flaws[0]
        paths = kept_json([(flaw.path, flaw.code) for flaw in flaws if flaw.path])
        digest = sha256(message.payload).hexdigest()
        kept = message.payload[:KEPT_PAYLOAD]
        size = len(message.payload)
        topic, detail = message.topic.replace("\x00", "?"), first.detail[:1024].replace("\x00", "?")  # for PostgreSQL
        return cls(kind, first.code, detail, *owner, topic, message.received_ns, 0, kept, size, digest, paths)


class Gone(NamedTuple):
    """A letter that leaves with a group, by its row: driven again or discarded. What it held is its device's again."""

    row_id: int
    letter: Letter


@dataclass(slots=True)
class Group:
    """Filled by the acceptor, written by the outbox, acknowledged by the pipeline."""

    acks: list[tuple[Callable[[int], None], int]] = field(default_factory=list)
    received_ns: int = 0
    readings: list[Reading] = field(default_factory=list)
    body: bytes = b"[]"
    size: int = 0
    status: list[DeviceStatus] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    registered: list[str] = field(default_factory=list)
    held: list[Message] = field(default_factory=list)  # to be judged later
    judged: list[int] = field(default_factory=list)  # these were held, and here is what became of them
    counts: Moves = field(default_factory=Counter)
    gone: list[Gone] = field(default_factory=list)
    also: Callable[[sqlite3.Connection], None] | None = None  # in the same transaction
    quiet: bool = False  # nothing that a device has just said: its seq is announced, and no reading

    def take(self, delivery: Delivery, messages: int) -> None:
        """The next so many messages of a delivery are in this group."""
        self.received_ns = delivery.received_ns
        self.acks.append((delivery.ack, messages))

    def add_readings(self, readings: list[Reading]) -> None:
        """Take the readings of one message."""
        self.readings += readings
        self.size += len(encode_readings(readings))

    def count_commit(self, accepted: int, refused: int) -> None:
        """Entries of one message: so many go to the spool, so many to the dead letters."""
        counts = self.counts
        counts["received"] += accepted + refused
        counts["spooled"] += accepted
        counts["dead_lettered"] += refused

    def hold(self, message: Message) -> None:
        """Keep a message that can't be judged yet; until then it is one entry."""
        self.held.append(message)
        self.size += len(message.payload)
        self.counts["messages"] += 1
        self.count_commit(1, 0)

    def add_letter(self, letter: Letter) -> None:
        self.letters.append(letter)
        self.size += len(letter.payload)

    def encode(self) -> bytes:
        """The one encoding of all its readings, kept as `body`: it is what is written, and what is announced."""
        self.body = encode_readings(self.readings)
        return self.body

    @property
    def full(self) -> bool:
        return self.size >= MAX_BYTES or len(self.readings) >= MAX_READINGS

    def acknowledge(self) -> None:
        """Tell every connection, in the order in which they spoke. Only after the commit."""
        for ack, messages in self.acks:
            ack(messages)


def refused_reading(reading: Reading, reason: str) -> Letter:
    """A letter for a reading that the store will never take: our own encoding of it, so that it can be driven again."""
    payload = encode_readings([reading])
    return Letter(
        "reading",
        "store_refused",
        reason[:1024],
        reading.device_id,
        reading.user_id,
        "",
        reading.ts_ns,
        1,
        payload[:KEPT_PAYLOAD],
        len(payload),
        sha256(payload).hexdigest(),
        b"[]",
    )


def shed_message(message: Message, owner: tuple[str | None, int | None]) -> Letter:
    """A letter for a message over its device's rate, which is only counted."""
    detail = "over the rate of a device: only their number is kept"
    return Letter("shed", "rate_limited", detail, *owner, message.topic, message.received_ns, 1, b"", 0, "", b"[]")
