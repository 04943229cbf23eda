"""Turns deliveries into groups: each message is judged, and whatever comes of it is written into its group."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import orjson

from services.ingest.delivery import Delivery
from services.ingest.group import Group, Letter
from services.ingest.places import places
from services.ingest.registry import Device, Registry
from services.ingest.settings import IngestSettings
from shared.payloads import MAX_PAYLOAD, MAX_SAMPLES, Verdict, Window, judge
from shared.readings import DeviceStatus, Reading
from shared.topics import DeviceTopic, parse_device_topic
from shared.values import Flaw

_STATUS: Final = ("online", "offline")


class Acceptor:
    """Judges by the registry and the settings. Keeps one thing: the last receipt time, which only ever increases."""

    def __init__(self, registry: Registry, settings: IngestSettings) -> None:
        self._registry = registry
        self._max_age_ns = None if settings.max_age_s is None else int(settings.max_age_s * 1e9)
        self._max_ahead_ns = int(settings.max_ahead_s * 1e9)
        self._last_ns = 0

    def groups(self, deliveries: Iterable[Delivery]) -> Iterator[Group]:
        """Judge all, in order; a group closes when it is full."""
        group = Group()
        for delivery in deliveries:
            group.deliveries.append(delivery)
            self._accept(delivery, group)
            if group.full:
                yield group
                group = Group()
        if group.deliveries:
            yield group

    def _accept(self, delivery: Delivery, group: Group) -> None:
        if delivery.repeated:
            group.counts["duplicates"] += 1
            return
        topic = parse_device_topic(delivery.topic)
        if topic is None:
            group.counts["ignored"] += 1
            return
        if topic.device_id is None:
            _refuse(group, self._own_time(delivery), Flaw("", "bad_device_id", topic.level[:256]))
            return
        device = self._registry.find(topic.device_id)
        if device is None:
            device = self._registry.register(topic.device_id)
            if device is None:
                flaw = Flaw("", "unknown_device", topic.device_id)
                _refuse(group, self._own_time(delivery), flaw, topic.device_id)
                return
            group.registered.append(topic.device_id)
        if device.disabled:
            _refuse(group, self._own_time(delivery), Flaw("", "device_disabled"), topic.device_id, device)
        elif topic.kind == "data":
            self._accept_data(delivery, group, topic.device_id, device)
        else:
            _accept_status(delivery, group, topic, device)

    def _accept_data(self, delivery: Delivery, group: Group, device_id: str, device: Device) -> None:
        """The hot path: one message to readings."""
        now_ns = self._receipt_ns(delivery.received_ns)
        earliest = None if self._max_age_ns is None else now_ns - self._max_age_ns
        window = Window(earliest, now_ns + self._max_ahead_ns)
        verdict = judge(delivery.payload, device.profile, device_id, now_ns, window)
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
            self._last_ns = now_ns + MAX_SAMPLES
        if flawed:
            _add_letter(group, delivery._replace(received_ns=now_ns), verdict, (device_id, device.user_id))

    def _receipt_ns(self, received_ns: int) -> int:
        """A time of its own for each message, and for each place in it.

        Two samples without a time must not become one point, nor may one that is refused now and driven again later.
        """
        self._last_ns = max(received_ns, self._last_ns + 1)
        return self._last_ns

    def _own_time(self, delivery: Delivery) -> Delivery:
        now_ns = self._receipt_ns(delivery.received_ns)
        self._last_ns = now_ns + MAX_SAMPLES
        return delivery._replace(received_ns=now_ns)


def _add_letter(group: Group, delivery: Delivery, verdict: Verdict, owner: tuple[str | None, int | None]) -> None:
    """Keep the raw message, with every flaw that was found in it."""
    accepted, refused = verdict
    flaws = [*refused, *(flaw for sample in accepted for flaw in sample.refused)]
    letter = Letter.of("part" if accepted else "message", flaws, delivery, owner)
    group.add_letter(letter._replace(entries=len(refused)))
    group.counts["metrics_refused"] += len(flaws) - len(refused)


def _refuse(
    group: Group, delivery: Delivery, flaw: Flaw, device_id: str | None = None, device: Device | None = None
) -> None:
    """One entry: the message as a whole."""
    owner = (device_id, device.user_id if device else None)
    group.counts["messages"] += 1
    group.count_commit(0, 1)
    _add_letter(group, delivery, Verdict([], [flaw]), owner)


def _accept_status(delivery: Delivery, group: Group, topic: DeviceTopic, device: Device) -> None:
    if not delivery.payload:  # an empty retained message clears the topic; it says nothing of the device
        group.counts["ignored"] += 1
        return
    status = _parse_status(delivery.payload)
    if status is None:
        flaw = Flaw("status", "wrong_type", 'a status is online or offline, or {"status": …}')
        _refuse(group, delivery, flaw, topic.device_id, device)
        return
    group.counts["status"] += 1
    group.status.append(DeviceStatus(str(topic.device_id), device.user_id, status, delivery.received_ns))


def _parse_status(payload: bytes) -> str | None:
    if len(payload) > MAX_PAYLOAD:
        return None
    word: Any = payload.strip().decode("utf-8", "replace")
    if word[:1] in ("{", '"'):
        try:
            word = orjson.loads(payload)
        except orjson.JSONDecodeError:
            return None
        if isinstance(word, dict):
            word = word.get("status")
    word = word.lower() if isinstance(word, str) else None
    return word if word in _STATUS else None
