"""What a client that comes back has missed, and where that is: in the ring, in the store, or in neither yet. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from services.realtime.cursor import Cursor, Key, Place, Position
from services.realtime.heard import Track
from services.realtime.ring import Entry, Ring, in_order
from shared.readings import Reading, Values

Identity = tuple[str, str, int, int]
"""(measurement, device, owner, timestamp): storing twice is storing once."""

# announcements of several workers pass each other on the way
SLACK_NS: Final = 11_000_000_000
# of a worker that the cursor doesn't know, nobody knows how far its clock is behind the others'
STRANGE_NS: Final = 60_000_000_000


@dataclass(slots=True)
class Plan:
    """`entries`: from the ring, in order; `had`: there too, but the client has had them.

    `look_from_ns`: what was committed from then on must be looked for in the store; None: nothing. `unsure`: something
    may be in neither. `ahead`: what the client has heard and this process has not. `number`: where live begins.
    """

    number: int
    entries: list[Entry] = field(default_factory=list)
    had: list[Entry] = field(default_factory=list)
    look_from_ns: int | None = None
    unsure: bool = False
    ahead: dict[Key, int] = field(default_factory=dict)

    def look(self, from_ns: int) -> None:
        from_ns -= SLACK_NS
        self.look_from_ns = from_ns if self.look_from_ns is None else min(self.look_from_ns, from_ns)


def plan(cursor: Cursor, position: Position, ring: Ring) -> Plan:
    """Every announcement between the cursor and the place where the hub is now, wherever it is to be had."""
    made = Plan(ring.number)
    for source in position.sources:
        place = cursor.pos.get(source) or Place("", 0, max(0, cursor.at - STRANGE_NS))
        _plan_source(made, source, place, position.tracks(source), ring)
    for source in cursor.pos.keys() - position.sources:
        # not heard of since this process began: what it has yet to store, nobody here knows
        place = cursor.pos[source]
        made.unsure = True
        made.ahead[source, place.epoch] = place.seq
        made.look(place.at)
    made.entries = in_order(made.entries)
    return made


def _plan_source(made: Plan, source: str, place: Place, tracks: Mapping[str, Track], ring: Ring) -> None:
    begun = place.epoch not in tracks  # the client comes from before all that is known of this source
    if begun and place.epoch:
        made.ahead[source, place.epoch] = place.seq
        made.look(place.at)
    for epoch, track in tracks.items():
        after = 0
        if epoch == place.epoch:
            begun, after = True, place.seq
            made.had += ring.until((source, epoch), after)
            made.ahead[source, epoch] = after
        if begun:
            found = ring.after((source, epoch), after)
            made.entries += found
            _judge(made, track, after, found, place.at)


def _judge(made: Plan, track: Track, after: int, found: Sequence[Entry], at: int) -> None:
    """Whether the ring has it all; else, whether the store has the rest."""
    if len(found) >= track.top - after:
        return
    made.look(at)
    unstored = max(after, min(track.stored, track.top))
    if sum(entry.batch.seq > unstored for entry in found) < track.top - unstored:
        made.unsure = True


def readings_of(entries: Iterable[Entry]) -> Iterable[Reading]:
    return (reading for entry in entries for reading in entry.batch.readings)


def identity(reading: Reading) -> Identity:
    return reading.measurement, reading.device_id, reading.user_id, reading.ts_ns


def merge(stored: Iterable[Reading], announced: Sequence[Reading], known: Iterable[Reading]) -> list[Reading]:
    """The store's readings and the ring's by their own time, each once, without what the client has from elsewhere.

    `announced` is in order of publication: of one identity its fields are merged, the last wins. What is left out is
    left out metric by metric: a device may say one moment in several messages.
    """
    told: dict[Identity, Values] = {}
    for reading in known:
        told.setdefault(identity(reading), {}).update(reading.values)
    merged: dict[Identity, Reading] = {}
    for reading in stored:
        had = told.get(identity(reading))
        if had:
            left = {name: value for name, value in reading.values.items() if had.get(name) != value}
            if not left:
                continue
            reading = reading._replace(values=left)  # noqa: PLW2901 - what is left of it
        _put(merged, reading)
    for reading in announced:
        _put(merged, reading)
    return sorted(merged.values(), key=lambda each: (each.ts_ns, each.device_id, each.measurement))


def _put(merged: dict[Identity, Reading], reading: Reading) -> None:
    before = merged.get(identity(reading))
    merged[identity(reading)] = reading if before is None else before._replace(values=before.values | reading.values)
