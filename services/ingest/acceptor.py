"""Turns deliveries into groups: each message is judged, and whatever comes of it is written into its group."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Final, NamedTuple

from services.ingest.delivery import Delivery, Message
from services.ingest.group import MAX_BYTES, MAX_READINGS, Group, Letter, shed_message
from services.ingest.places import places
from services.ingest.ratelimit import RateLimit
from services.ingest.registry import Device, Registry
from services.ingest.settings import IngestSettings
from services.ingest.status import parse_status
from shared.flat import FlatJudge
from shared.payloads import MAX_SAMPLES, Verdict, Window, judge
from shared.readings import DeviceStatus, Reading, Values, encode_readings
from shared.times import EARLIEST_NS
from shared.topics import DeviceTopic, parse_device_topic
from shared.values import Flaw

# Reading(…) without a call of Python in between, which would take as long as all the rest of it
_reading: Final = partial(tuple.__new__, Reading)
_NOWHERE: Final[dict[str, "Route"]] = {}
# times that are given away run ahead of the clock by a nanosecond each: so far only where it was set back
_LEAST_AHEAD_NS: Final = 1_000_000_000


class Route(NamedTuple):
    """A topic that needs no more questions: the data of a device that is known and enabled.

    `overhead`: bytes of a reading's encoding that its payload doesn't have.
    """

    device_id: str
    user_id: int
    measurement: str
    judge: Callable[[bytes, str], tuple[int | None, Values] | None]
    overhead: int


class Acceptor:
    """Judges by the registry and the settings. Keeps the last receipt time, which only ever increases, and routes."""

    def __init__(self, registry: Registry, settings: IngestSettings) -> None:
        self._registry = registry
        self._prefix = settings.device_prefix
        per_s = settings.device_messages_per_s
        self._limit = None if per_s is None else RateLimit(per_s, settings.burst)
        self._max_age_ns = None if settings.max_age_s is None else int(settings.max_age_s * 1e9)
        self._max_ahead_ns = int(settings.max_ahead_s * 1e9)
        self._last_ns = 0
        self._routes: dict[str, Route] = {}
        self._judges: dict[str, FlatJudge] = {}
        self._version = registry.version

    def groups(self, deliveries: Iterable[Delivery]) -> Iterator[Group]:
        """Judge all, in order; a group closes when it is full."""
        group = Group()
        for delivery in deliveries:
            position = 0
            while position < len(delivery.messages):
                self._follow_registry()  # a group may have waited for hours before this one
                position = self._fill(group, delivery, position)
                if group.full:
                    yield group
                    group = Group()
        if group.acks:
            yield group

    def _fill(self, group: Group, delivery: Delivery, begin: int) -> int:
        """The hot path: messages from position `begin` on, until the group is full; returns the position after them."""
        now_ns = delivery.received_ns
        last_ns = self._last_before(now_ns)
        earliest, latest = self._window(now_ns)
        find = (_NOWHERE if delivery.repeated else self._routes).get  # repeats are rare, and none of this function's
        admits = None if self._limit is None else self._limit.admits
        readings, size, position, taken = group.readings, group.size, begin, 0
        for topic, payload in islice(delivery.messages, begin, None):
            position += 1
            flat = None
            route = find(topic)
            if route is not None:
                device_id, user_id, measurement, judge, overhead = route
                flat = judge(payload, device_id)
            if flat is not None:
                ts_ns, values = flat
                if ts_ns is None:  # two samples without a time of their own must not become one point
                    last_ns = ts_ns = now_ns if now_ns > last_ns else last_ns + 1
                if earliest <= ts_ns <= latest and (admits is None or admits(device_id, now_ns)):
                    readings.append(_reading((device_id, user_id, measurement, ts_ns, values)))
                    size += len(payload) + overhead
                    taken += 1
                    if size >= MAX_BYTES or len(readings) >= MAX_READINGS:
                        break
                    continue
            group.size, self._last_ns = size, last_ns
            self._accept(Message(topic, payload, now_ns), group, repeated=position - 1 in delivery.repeated)
            size, last_ns = group.size, self._last_ns
            if group.full:
                break
        group.size, self._last_ns = size, last_ns
        group.counts["messages"] += taken
        group.count_commit(taken, 0)
        group.take(delivery, position - begin)
        return position

    def _follow_registry(self) -> None:
        if self._version != self._registry.version:
            self._version = self._registry.version
            self._routes.clear()
            self._judges.clear()

    def _window(self, now_ns: int) -> tuple[int, int]:
        earliest = EARLIEST_NS if self._max_age_ns is None else max(EARLIEST_NS, now_ns - self._max_age_ns)
        return earliest, now_ns + self._max_ahead_ns

    def _accept(self, message: Message, group: Group, *, repeated: bool) -> None:
        """The thorough way, for whatever isn't plain."""
        if repeated:
            group.counts["duplicates"] += 1
            return
        topic = parse_device_topic(message.topic, self._prefix)
        if topic is None:
            group.counts["ignored"] += 1
            return
        if topic.device_id is None:
            _refuse(group, self._own_time(message), Flaw("", "bad_device_id", topic.level[:256]))
            return
        device = self._device(message, group, topic.device_id)
        if device is None:
            return
        if device.disabled:
            _refuse(group, self._own_time(message), Flaw("", "device_disabled"), topic.device_id, device)
        elif self._limit is not None and not self._limit.admits(topic.device_id, message.received_ns):
            _shed(group, message, topic.device_id, device)
        elif topic.kind == "data":
            self._accept_data(message, group, topic.device_id, device)
            if message.topic not in self._routes:
                self._routes[message.topic] = self._route(topic.device_id, device)
        else:
            _accept_status(message, group, topic, device)

    def _device(self, message: Message, group: Group, device_id: str) -> Device | None:
        """Whose message it is; None where that can't be told yet, or never: then it is in the group."""
        device = self._registry.find(device_id)
        if device is not None:
            return device
        if not self._registry.certain:  # somebody's perhaps: registered now, it would be taken for the local admin's
            group.hold(self._own_time(message))  # judged later, it must not take a time that others have
            return None
        device = self._registry.register(device_id)
        if device is None:
            _refuse(group, self._own_time(message), Flaw("", "unknown_device", device_id), device_id)
        else:
            group.registered.append(device_id)
        return device

    def _route(self, device_id: str, device: Device) -> Route:
        profile = device.profile
        judge = self._judges.get(profile.name)
        if judge is None:
            judge = self._judges[profile.name] = FlatJudge(profile)
        overhead = len(encode_readings([Reading(device_id, device.user_id, profile.measurement, EARLIEST_NS, {})]))
        return Route(device_id, device.user_id, profile.measurement, judge.judge, overhead)

    def _accept_data(self, message: Message, group: Group, device_id: str, device: Device) -> None:
        """One message to readings."""
        now_ns = self._receipt_ns(message.received_ns)
        earliest = None if self._max_age_ns is None else now_ns - self._max_age_ns
        window = Window(earliest, now_ns + self._max_ahead_ns)
        verdict = judge(message.payload, device.profile, device_id, now_ns, window)
        accepted, refused = verdict
        if accepted:
            measurement, user_id = device.profile.measurement, device.user_id
            readings = []
            for place, sample in zip(places(verdict), accepted, strict=False):
                ts_ns = now_ns + place if sample.ts_ns is None else sample.ts_ns
                readings.append(Reading(device_id, user_id, measurement, ts_ns, sample.values))
            group.add_readings(readings)
            if len(readings) > 1:
                group.counts["overwritten"] += len(readings) - len({reading.ts_ns for reading in readings})
        group.counts["messages"] += 1
        group.count_commit(len(accepted), len(refused))
        flawed = verdict.flawed
        if flawed or len(accepted) > 1:
            self._last_ns = now_ns + (MAX_SAMPLES if flawed else len(accepted) - 1)
        if flawed:
            _add_letter(group, message._replace(received_ns=now_ns), verdict, (device_id, device.user_id))

    def _receipt_ns(self, received_ns: int) -> int:
        """A time of its own for each message, and for each place in it.

        Two samples without a time must not become one point, nor may one that is refused now and driven again later.
        """
        self._last_ns = max(received_ns, self._last_before(received_ns) + 1)
        return self._last_ns

    def _last_before(self, now_ns: int) -> int:
        """The last time that was given away; 0 where it is of a future that no device may speak of.

        Then this host's clock was ahead, and has been set right: times go on from there, not ahead for as long.
        """
        return self._last_ns if self._last_ns - now_ns <= max(self._max_ahead_ns, _LEAST_AHEAD_NS) else 0

    def _own_time(self, message: Message) -> Message:
        now_ns = self._receipt_ns(message.received_ns)
        self._last_ns = now_ns + MAX_SAMPLES
        return message._replace(received_ns=now_ns)


def _add_letter(group: Group, message: Message, verdict: Verdict, owner: tuple[str | None, int | None]) -> None:
    """Keep the raw message, with every flaw that was found in it."""
    accepted, refused = verdict
    flaws = [*refused, *(flaw for sample in accepted for flaw in sample.refused)]
    letter = Letter.of("part" if accepted else "message", flaws, message, owner)
    group.add_letter(letter._replace(entries=len(refused)))
    group.counts["metrics_refused"] += len(flaws) - len(refused)


def _refuse(
    group: Group, message: Message, flaw: Flaw, device_id: str | None = None, device: Device | None = None
) -> None:
    """One entry: the message as a whole."""
    owner = (device_id, device.user_id if device else None)
    group.counts["messages"] += 1
    group.count_commit(0, 1)
    _add_letter(group, message, Verdict([], [flaw]), owner)


def _shed(group: Group, message: Message, device_id: str, device: Device) -> None:
    """One entry, of which nothing but the number is kept: a flood must cost less than what it floods."""
    group.counts["messages"] += 1
    group.count_commit(0, 1)
    group.add_letter(shed_message(message, (device_id, device.user_id)))


def _accept_status(message: Message, group: Group, topic: DeviceTopic, device: Device) -> None:
    if not message.payload:  # an empty retained message clears the topic; it says nothing of the device
        group.counts["ignored"] += 1
        return
    status = parse_status(message.payload)
    if status is None:
        flaw = Flaw("status", "wrong_type", 'a status is online or offline, or {"status": …}')
        _refuse(group, message, flaw, topic.device_id, device)
        return
    group.counts["status"] += 1
    group.status.append(DeviceStatus(str(topic.device_id), device.user_id, status, message.received_ns))
