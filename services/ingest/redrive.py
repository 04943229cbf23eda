"""A dead letter judged again, as if it had been received again at the moment at which it was received. Pure.

Only what was refused is stored this time, under the owner of that time: what was accepted then may have been written
over since, may lie in another measurement, and may belong to somebody else than the device does today.
"""

from collections.abc import Iterable
from itertools import repeat
from typing import Final, NamedTuple

import orjson

from services.ingest.delivery import Message
from services.ingest.group import Letter
from services.ingest.places import place_of, places
from services.ingest.registry import Device, Registry
from services.ingest.settings import IngestSettings
from shared.payloads import Sample, Verdict, Window, judge
from shared.readings import Reading, Values, decode_readings
from shared.topics import parse_device_topic

_SHED: Final = "shed: only the number was kept, not the bytes; it can only be discarded"
_NOT_KEPT: Final = "truncated: of {} bytes the first {} were kept; it can only be discarded"
_ELSEWHERE: Final = "topic: it doesn't begin with TELEMETRIO_DEVICE_PREFIX, which is {} now"
_NAMELESS: Final = "bad_device_id: no device can have this name; it can only be discarded"
_STATUS: Final = "status: an old status says nothing any more; it can only be discarded"
_UNKNOWN: Final = "unknown_device: add the device first"
_DISABLED: Final = "device_disabled: enable the device first"


class Outcome(NamedTuple):
    """What a letter became: readings, and a letter for what is still refused; or nothing, for a `reason`: it stays."""

    readings: list[Reading]
    letter: Letter | None = None
    reason: str = ""


class Redriver:
    """Judges by the registry and the settings as they are now."""

    def __init__(self, registry: Registry, settings: IngestSettings) -> None:
        self._registry = registry
        self._prefix = settings.device_prefix
        self._max_age_ns = None if settings.max_age_s is None else int(settings.max_age_s * 1e9)
        self._max_ahead_ns = int(settings.max_ahead_s * 1e9)

    def drive(self, letter: Letter) -> Outcome:
        """Nothing is written here; whoever writes it takes the old letter away in the same transaction."""
        if letter.kind == "shed":
            return _stays(_SHED)
        if letter.size > len(letter.payload):
            return _stays(_NOT_KEPT.format(letter.size, len(letter.payload)))
        if letter.kind == "reading":
            return Outcome(decode_readings(letter.payload))
        return self._message(letter)

    def _message(self, letter: Letter) -> Outcome:
        topic = parse_device_topic(letter.topic, self._prefix)
        if topic is None:
            return _stays(_ELSEWHERE.format(self._prefix))
        if topic.device_id is None:
            return _stays(_NAMELESS)
        if topic.kind != "data":
            return _stays(_STATUS)
        device = self._registry.find(topic.device_id)
        if device is None or device.disabled:
            return _stays(_UNKNOWN if device is None else _DISABLED)
        return self._judge(letter, topic.device_id, device)

    def _judge(self, letter: Letter, device_id: str, device: Device) -> Outcome:
        now_ns = letter.received_ns
        earliest = None if self._max_age_ns is None else now_ns - self._max_age_ns
        verdict = judge(
            letter.payload, device.profile, device_id, now_ns, Window(earliest, now_ns + self._max_ahead_ns)
        )
        missing = Missing(letter)
        owner = device.user_id if letter.user_id is None else letter.user_id
        readings = []
        for place, sample in zip(missing.places(verdict), verdict.accepted, strict=False):
            values = missing.of(sample, place)
            if values:
                ts_ns = now_ns + place if sample.ts_ns is None else sample.ts_ns
                readings.append(Reading(device_id, owner, device.profile.measurement, ts_ns, values))
        if not readings:
            return _stays(next(verdict.codes(), "nothing of it was refused"))
        return Outcome(readings, missing.rest(letter, verdict, (device_id, owner)))


class Missing:
    """What of a message was refused, told by the paths of its letter: samples as a whole come first, then metrics."""

    def __init__(self, letter: Letter) -> None:
        paths = [path for path, _ in orjson.loads(letter.paths)]
        whole, self._metrics = paths[: letter.entries], set(paths[letter.entries :])
        self._samples = {place_of(path) for path in whole}
        # a pack of SenML doesn't say which of its samples was refused: then all of it was, and storing twice is once
        self._unplaced = letter.kind == "part" and (len(whole) < letter.entries or None in self._samples)
        self._all = letter.kind == "message" or self._unplaced
        self._touched = self._samples | {place_of(path) or 0 for path in self._metrics}

    def places(self, verdict: Verdict) -> Iterable[int]:
        """As at the first judgement."""
        return repeat(0) if self._unplaced else places(verdict)

    def of(self, sample: Sample, place: int) -> Values:
        """What is to be stored of it."""
        if self._all or place in self._samples:
            return sample.values
        ways = (f"[{place}].", f"[{place}].values.", "", "values.")
        return {
            name: value for name, value in sample.values.items() if any(f"{way}{name}" in self._metrics for way in ways)
        }

    def rest(self, letter: Letter, verdict: Verdict, owner: tuple[str, int]) -> Letter | None:
        """A letter for what is refused once more, with the bytes and the time of the first."""
        whole, metrics = [], []
        for flaw in verdict.refused:
            place = place_of(flaw.path)
            if self._all or place in self._samples:
                whole.append(flaw)
            elif place in self._touched:
                metrics.append(flaw)  # the sample was counted at first: only some of its metrics were missing
        metrics += [
            flaw
            for sample in verdict.accepted
            for flaw in sample.refused
            if self._all or (place_of(flaw.path) or 0) in self._touched
        ]
        if not whole and not metrics:
            return None
        again = Message(letter.topic, letter.payload, letter.received_ns)
        return Letter.of("part", [*whole, *metrics], again, owner)._replace(entries=len(whole))


def _stays(reason: str) -> Outcome:
    return Outcome([], reason=reason)
