"""Who gets which reading. Publishing is synchronous: it sorts a batch into groups of equal selections, and no more."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from services.realtime.cursor import Position
from services.realtime.frames import reading_text, status_frame
from services.realtime.group import Group, Later, Member
from services.realtime.recent import Known, Recent, newest
from services.realtime.selection import Filter, Selection, may_see
from shared.readings import DeviceStatus, Reading, ReadingBatch

RECENT_S: Final = 60.0
"""The table of latest values is about a second behind the feed, longer while the database restarts."""


class Hub:
    """The groups and their members, the place in the stream, and the newest values that the table may lack."""

    def __init__(self, later: Later, clock: Callable[[], float], coalesce_s: float) -> None:
        self._later = later
        self._coalesce_s = coalesce_s
        self._position = Position()
        self._recent = Recent(clock, RECENT_S)
        self._told: dict[str, int] = {}
        self._groups: dict[Selection, Group] = {}
        self._everywhere: list[Group] = []
        self._by_device: dict[str, list[Group]] = {}

    @property
    def cursor(self) -> str:
        return self._position.cursor

    def publish(self, batch: ReadingBatch) -> None:
        """Hand a batch to everybody who may see it and asked for it; one that is known already is left out."""
        if self._position.advance(batch):
            for reading in batch.readings:
                self._recent.add(reading)
            if self._groups:
                self._spread(batch.readings)
        for status in batch.status:
            # by its own time, not by seq: a batch without readings need not have a seq of its own
            if status.ts_ns > self._told.get(status.device_id, -1):
                self._told[status.device_id] = status.ts_ns
                self._tell(status)

    def move(self, member: Member, old: Selection, new: Selection) -> None:
        """A session changed its subscriptions: each reading reaches it once, through the one group or the other."""
        if old == new:
            return
        if not old.empty:
            self._leave(member, old)
        if not new.empty:
            self._join(member, new)

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
            seen = [reading for device_id, _ in selection.devices if (reading := self._recent.get(device_id))]
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
        """To be called now and then: drops what snapshots no longer need."""
        self._recent.forget()

    def _spread(self, readings: Sequence[Reading]) -> None:
        texts: list[str] | None = None
        for group in self._everywhere:
            texts = texts or [reading_text(reading) for reading in readings]
            if group.selection.whole:
                group.add(texts)
            else:
                seen = map(group.filter.text, readings, texts)
                group.add([text for text in seen if text is not None])
        if not self._by_device:
            return
        for place, reading in enumerate(readings):
            groups = self._by_device.get(reading.device_id)
            if groups:
                self._hand(groups, reading, texts[place] if texts else reading_text(reading))

    @staticmethod
    def _hand(groups: Iterable[Group], reading: Reading, whole: str) -> None:
        for group in groups:
            text = group.filter.text(reading, whole)
            if text is not None:
                group.add((text,))

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
