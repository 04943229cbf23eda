"""Who gets which reading. Publishing is synchronous: it sorts a batch into groups of equal selections, and no more."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from services.realtime.cursor import Cursor, Key, Position
from services.realtime.frames import Interruption, reading_text, status_frame
from services.realtime.group import Group, Later, Member
from services.realtime.recent import Known, Recent, newest
from services.realtime.resume import Plan, plan
from services.realtime.ring import Ring
from services.realtime.selection import Filter, Selection, may_see
from shared.readings import DeviceStatus, Reading, ReadingBatch
from shared.times import iso_ns

RECENT_S: Final = 60.0
"""The table of latest values is about a second behind the feed, longer while the database restarts."""
RING_S: Final = 120.0
RING_BYTES: Final = 64 * 1024 * 1024


Ahead = Mapping[Key, int]
"""Up to which seq of each file a member has heard what this process may not have heard yet: it gets that no more."""


class Keeping(NamedTuple):
    """How much of the stream is kept for those who come back. `begun_ns`: when this process began to listen."""

    ring_s: float = RING_S
    ring_bytes: int = RING_BYTES
    begun_ns: int = 0


USUAL: Final = Keeping()


class Hub:
    """The groups and their members, the place in the stream, and the newest values that the table may lack."""

    def __init__(self, later: Later, clock: Callable[[], float], coalesce_s: float, keeping: Keeping = USUAL) -> None:
        self._later = later
        self._clock = clock
        self._coalesce_s = coalesce_s
        self._position = Position(keeping.begun_ns)
        self._ahead: dict[Member, Ahead] = {}
        self._most_ahead: dict[Key, int] = {}
        self.ring: Final = Ring(keeping.ring_s, keeping.ring_bytes, self._position.stored)
        self.missed = 0
        self._recent = Recent(clock, RECENT_S)
        self._told: dict[str, int] = {}
        self._groups: dict[Selection, Group] = {}
        self._everywhere: list[Group] = []
        self._by_device: dict[str, list[Group]] = {}

    @property
    def cursor(self) -> str:
        return self._position.cursor

    @property
    def at(self) -> int:
        """The newest commit time heard of."""
        return self._position.place.at

    def publish(self, batch: ReadingBatch) -> None:
        """Hand a batch to everybody who may see it and asked for it; one that is known already is left out."""
        if self._position.misses(batch):
            self._miss(batch)
        if self._position.advance(batch):
            self.ring.add(batch, self._clock())
            for reading in batch.readings:
                self._recent.add(reading)
            if self._groups:
                self._spread(batch.readings, self._who_had(batch))
        for status in batch.status:
            # by its own time, not by seq: a batch without readings need not have a seq of its own
            if status.ts_ns > self._told.get(status.device_id, -1):
                self._told[status.device_id] = status.ts_ns
                self._tell(status)

    def move(self, member: Member, old: Selection, new: Selection, had: Ahead | None = None) -> None:
        """A session changed its subscriptions: each reading reaches it once, through the one group or the other.

        `had`: up to where it has all that the new one asks for, as far as that is ahead of this process.
        """
        if old == new and had is None:
            return
        ahead = had or {}
        if not old.empty:  # of several subscriptions the one that has had the least is owed the rest
            before = self._ahead.pop(member, {})
            ahead = {key: min(seq, before[key]) for key, seq in ahead.items() if key in before}
        self._skip(member, {} if new.empty else ahead)
        if old == new:
            return
        if not old.empty:
            self._leave(member, old)
        if not new.empty:
            self._join(member, new)

    def had(self, member: Member) -> Ahead:
        """See move: what it has had of all that it asks for now."""
        return self._ahead.get(member, {})

    def resume(self, cursor: Cursor) -> Plan:
        """What a member that is about to join has missed since."""
        return plan(cursor, self._position, self.ring)

    def heard_of(self, cursor: Cursor) -> bool:
        """Every source that the cursor names has been heard since this process began."""
        return cursor.pos.keys() <= self._position.sources

    def quiet(self, selection: Selection) -> bool:
        """Nothing is on its way to the members of this selection."""
        group = self._groups.get(selection)
        return group is None or group.quiet

    def latest(self, selection: Selection, table: Iterable[Known]) -> list[Known]:
        """The devices of a selection with their newest values: the table's rows, under what the feed has seen since."""
        wanted = Filter(selection)
        known: dict[str, Known] = {row.device_id: row for row in table if may_see(selection.user_ids, row.user_id)}
        seen: Iterable[Reading] = self._recent
        if selection.everywhere is None:
            seen = [reading for device_id, _ in selection.devices for reading in self._recent.get(device_id)]
        for reading in seen:
            row = known.get(reading.device_id)
            before = row.reading if row else None
            if may_see(selection.user_ids, reading.user_id):
                merged = newest(before, reading) if before else reading
                known[reading.device_id] = Known(reading.device_id, merged.user_id, merged)
            elif row is not None:
                del known[reading.device_id]  # the feed knows a newer owner than the table
        return [row for row in known.values() if wanted.metrics(row.device_id, row.user_id)[0]]

    def forget(self) -> None:
        """To be called now and then: drops what snapshots and those who come back no longer need."""
        self._recent.forget()
        self.ring.forget(self._clock())

    def _miss(self, batch: ReadingBatch) -> None:
        """Say so to everybody: nobody knows whose readings it held."""
        self.missed += 1
        place = self._position.place
        oldest = min([place.at, *(seen.at for name, seen in place.pos.items() if name == batch.source)])
        interruption = Interruption(self.cursor, iso_ns(oldest), iso_ns(max(oldest, batch.committed_ns)))
        for group in self._groups.values():
            group.interrupt(interruption)

    def _skip(self, member: Member, ahead: Ahead) -> None:
        if ahead:
            self._ahead[member] = ahead
        for key, seq in ahead.items():
            self._most_ahead[key] = max(seq, self._most_ahead.get(key, 0))
        if not self._ahead:
            self._most_ahead.clear()

    def _who_had(self, batch: ReadingBatch) -> Collection[Member]:
        key = batch.source, batch.epoch
        if batch.seq > self._most_ahead.get(key, -1):
            return ()  # nearly always
        return [member for member, seqs in self._ahead.items() if batch.seq <= seqs.get(key, -1)]

    def _spread(self, readings: Sequence[Reading], without: Collection[Member]) -> None:
        texts: list[str] | None = None
        for group in self._everywhere:
            texts = texts or [reading_text(reading) for reading in readings]
            if group.selection.whole:
                group.add(texts, without)
            else:
                seen = map(group.filter.text, readings, texts)
                group.add([text for text in seen if text is not None], without)
        if not self._by_device:
            return
        for place, reading in enumerate(readings):
            groups = self._by_device.get(reading.device_id)
            if groups:
                self._hand(groups, reading, texts[place] if texts else reading_text(reading), without)

    @staticmethod
    def _hand(groups: Iterable[Group], reading: Reading, whole: str, without: Collection[Member]) -> None:
        for group in groups:
            text = group.filter.text(reading, whole)
            if text is not None:
                group.add((text,), without)

    def _tell(self, status: DeviceStatus) -> None:
        frame: str | None = None
        for group in (*self._everywhere, *self._by_device.get(status.device_id, ())):
            if group.filter.metrics(status.device_id, status.user_id)[0]:
                frame = frame or status_frame(status)
                group.tell(status, frame)

    def _join(self, member: Member, selection: Selection) -> None:
        group = self._groups.get(selection)
        if group is None:
            group = self._groups[selection] = Group(selection, lambda: self.cursor, self._later, self._coalesce_s)
            for listed in self._listed(selection):
                listed.append(group)
        group.join(member)

    def _leave(self, member: Member, selection: Selection) -> None:
        group = self._groups[selection]
        group.leave(member)
        if len(group):
            return
        del self._groups[selection]
        for listed in self._listed(selection):
            listed.remove(group)
        for device_id, _ in selection.devices:
            if not self._by_device.get(device_id, True):
                del self._by_device[device_id]

    def _listed(self, selection: Selection) -> list[list[Group]]:
        """The lists by which a group is found. One that is everywhere is in no list of a device: it is asked anyway."""
        if selection.everywhere is not None:
            return [self._everywhere]
        return [self._by_device.setdefault(device_id, []) for device_id, _ in selection.devices]
