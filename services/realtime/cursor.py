"""A place in the stream: for each source how far it was heard, as an opaque text that a client hands back."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import orjson

from services.realtime.errors import BadMessage
from services.realtime.heard import Track
from services.realtime.protocol import MAX_CURSOR_LENGTH
from shared.readings import ReadingBatch
from shared.times import MAX_NS

CURSOR_VERSION: Final = 1
MAX_SOURCES: Final = 256
_MAX_NAME: Final = 256
_MAX_SEQ: Final = 2**53
# a source that is behind the others by more than this carries its own time: what it is yet to say may be old
_LAG_NS: Final = 10_000_000_000
_DAY_NS: Final = 86_400_000_000_000

Key = tuple[str, str]
"""(source, epoch): one file of one ingest."""


class Place(NamedTuple):
    """Of one source. `at`: what it committed before that, by its own clock, has been heard."""

    epoch: str
    seq: int
    at: int


@dataclass(frozen=True, slots=True)
class Cursor:
    """`at`: the newest commit time of any source, never the time of a reading."""

    at: int
    pos: Mapping[str, Place]

    @property
    def text(self) -> str:
        """base64url of `{v, at, pos: {source: [epoch, seq]}}`; a source far behind has its own time as a third."""
        pos = {name: tuple(place)[: 2 if self.at - place.at < _LAG_NS else 3] for name, place in self.pos.items()}
        body = orjson.dumps({"v": CURSOR_VERSION, "at": self.at, "pos": pos})
        return base64.urlsafe_b64encode(body).rstrip(b"=").decode()


def parse_cursor(text: str, now_ns: int) -> Cursor:
    """What a client hands back, which may be anything; raises BadMessage."""
    if len(text) > MAX_CURSOR_LENGTH:
        raise BadMessage("bad_since", f"since: a cursor has at most {MAX_CURSOR_LENGTH} characters")
    try:
        # validate: else letters that are none of the alphabet would be passed over in silence
        body = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        found = orjson.loads(body)
    except (binascii.Error, ValueError) as error:
        message = "since: neither a cursor of this server, nor a time, nor a relative time like -10m"
        raise BadMessage("bad_since", message) from error
    if not isinstance(found, dict) or found.get("v") != CURSOR_VERSION:
        raise BadMessage("bad_since", f"since: this server reads cursors of version {CURSOR_VERSION}")
    cursor = _read(found.get("at"), found.get("pos"))
    if cursor is None:
        raise BadMessage("bad_since", "since: the cursor is damaged; subscribe without it, or from a time")
    if cursor.at > now_ns + _DAY_NS:
        raise BadMessage("bad_since", "since: the cursor is of the future; subscribe without it, or from a time")
    return cursor


def _read(at: Any, pos: Any) -> Cursor | None:
    if not _within(at, MAX_NS) or not isinstance(pos, dict) or len(pos) > MAX_SOURCES:
        return None
    places = {name: _place(at, place) for name, place in pos.items()}
    whole = {name: place for name, place in places.items() if place is not None and len(name) <= _MAX_NAME}
    return Cursor(at, whole) if len(whole) == len(pos) else None


def _place(at: int, found: Any) -> Place | None:
    match found:
        case [str(epoch), seq] if len(epoch) <= _MAX_NAME and _within(seq, _MAX_SEQ):
            return Place(epoch, seq, at)
        case [str(epoch), seq, own] if len(epoch) <= _MAX_NAME and _within(seq, _MAX_SEQ) and _within(own, at):
            return Place(epoch, seq, own)
    return None


def _within(number: Any, most: int) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= most


class Position:
    """How far each source has been heard. An announcement is known by (source, epoch, seq) and counts once."""

    def __init__(self, begun_ns: int = 0) -> None:
        self._at = begun_ns
        self._current: dict[str, str] = {}
        self._tracks: dict[Key, Track] = {}
        self._text: str | None = None

    def misses(self, batch: ReadingBatch) -> bool:
        """Whether something that was announced before `batch` was not heard; to be asked before `advance`."""
        track = self._tracks.get((batch.source, batch.epoch))
        return batch.prev > (track.top if track else 0)

    def advance(self, batch: ReadingBatch) -> bool:
        """False: it was heard before, or says nothing new (a heartbeat). One that was missed may come later."""
        key = (batch.source, batch.epoch)
        track = self._tracks.get(key)
        if track is None:
            track = self._open(key)
        new = track.hear(batch)
        self._at = max(self._at, batch.committed_ns)
        self._text = None
        return new

    def _open(self, key: Key) -> Track:
        source, epoch = key
        before = self._current.get(source)
        if before is not None:
            # what its old file had not given to the store has been moved to the new one
            self._tracks[source, before].close()
        self._current[source] = epoch
        track = self._tracks[key] = Track()
        if len(self._tracks) > MAX_SOURCES:
            gone = next(iter(self._tracks))
            del self._tracks[gone]
            if self._current.get(gone[0]) == gone[1]:
                del self._current[gone[0]]
        return track

    def tracks(self, source: str) -> Mapping[str, Track]:
        """The files of a source by epoch, the oldest first."""
        return {epoch: track for (name, epoch), track in self._tracks.items() if name == source}

    @property
    def sources(self) -> frozenset[str]:
        return frozenset(self._current)

    def stored(self, key: Key) -> int:
        """Everything up to this seq is in the store."""
        track = self._tracks.get(key)
        return track.stored if track else MAX_NS

    @property
    def place(self) -> Cursor:
        tracks = {source: (epoch, self._tracks[source, epoch]) for source, epoch in self._current.items()}
        return Cursor(self._at, {source: Place(epoch, seen.top, seen.at) for source, (epoch, seen) in tracks.items()})

    @property
    def cursor(self) -> str:
        """Encoded once for all clients at this place."""
        if self._text is None:
            self._text = self.place.text
        return self._text
