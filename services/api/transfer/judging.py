"""A row judged: the reading that it is, or what is wrong with it. Pure.

The judge is the one that devices' messages meet.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from services.api.transfer.rows import Row
from services.api.transfer.tables import MEASUREMENT
from shared.identifiers import is_device_id, is_metric_name
from shared.payloads import Window, judge
from shared.profiles import OPEN, PROFILES, Profile, read_profile
from shared.readings import Reading
from shared.values import Flaw

_ASIDE: Final = (MEASUREMENT,)


class Target(NamedTuple):
    """A device that may be imported to. `measurements`: those that its owner has used."""

    device_id: str
    user_id: int
    profile: str
    disabled: bool
    measurements: frozenset[str]


class Problem(NamedTuple):
    """`partly`: the other metrics of the row were taken."""

    row: int
    outcome: Literal["refused", "partly"]
    code: str
    message: str


class Judgement(NamedTuple):
    reading: Reading | None
    problem: Problem | None = None


class Judge:
    """Of one import. `devices`: those that the caller may import to, as far as they are known by now."""

    def __init__(self, own_profiles: Sequence[tuple[str, Any]], now_ns: int, max_ahead_ns: int) -> None:
        self._profiles = usable(own_profiles)
        self._by_measurement = {profile.measurement: profile for profile in reversed(self._profiles.values())}
        self._now_ns = now_ns
        self._window = Window(None, now_ns + max_ahead_ns)
        self.devices: dict[str, Target | None] = {}

    def judge(self, number: int, row: Row) -> Judgement:
        device = self.devices.get(row.device_id)
        if device is None:
            code = "unknown_device" if is_device_id(row.device_id) else "bad_device_id"
            return _refused(number, code, f"{row.device_id[:128]!r}: add the device first")
        if device.disabled:
            return _refused(number, "device_disabled", f"{device.device_id}: enable the device first")
        profile = self._profile(device, row.measurement)
        if profile is None:
            mend = "make a profile with this measurement first, or leave the measurement out"
            return _refused(number, "unknown_measurement", f"{row.measurement[:64]!r}: {mend}")
        return self._judge(number, row, device, profile)

    def _judge(self, number: int, row: Row, device: Target, profile: Profile) -> Judgement:
        verdict = judge(row.payload, profile, device.device_id, self._now_ns, self._window, aside=_ASIDE)
        if verdict.refused:
            return _refused(number, verdict.refused[0].code, _words(verdict.refused))
        (sample,) = verdict.accepted
        if sample.ts_ns is None:
            return _refused(number, "bad_timestamp", "time is missing: an import needs the time of each row")
        measurement = row.measurement or profile.measurement
        reading = Reading(device.device_id, device.user_id, measurement, sample.ts_ns, sample.values)
        if sample.refused:
            return Judgement(reading, Problem(number, "partly", sample.refused[0].code, _words(sample.refused)))
        return Judgement(reading)

    def _profile(self, device: Target, measurement: str) -> Profile | None:
        """By which a row is judged: the device's own, or that of the measurement which the row names.

        Not any name will do: a measurement is a table of the store, and for ever.
        """
        own = self._profiles.get(device.profile, OPEN)
        if measurement in ("", own.measurement):
            return own
        if measurement in self._by_measurement:
            return self._by_measurement[measurement]
        return OPEN if measurement in device.measurements and is_metric_name(measurement) else None


def usable(rows: Sequence[tuple[str, Any]]) -> dict[str, Profile]:
    """The built-in profiles, and those of somebody's that can be judged by."""
    profiles = dict(PROFILES)
    for name, document in rows:
        if name not in profiles and (profile := _read(name, document)) is not None:
            profiles[name] = profile
    return profiles


def _read(name: str, document: Any) -> Profile | None:
    try:
        return read_profile(name, document)
    except ValueError:
        return None  # ingest says so in its log, and takes it for an open one too


def metric_names(profiles: Mapping[str, Profile], used: set[str]) -> set[str]:
    """What these profiles declare."""
    return {metric for name in used if name in profiles for metric in profiles[name].metrics}


def _refused(number: int, code: str, message: str) -> Judgement:
    return Judgement(None, Problem(number, "refused", code, message))


def _words(flaws: Sequence[Flaw]) -> str:
    told = [
        ": ".join(part for part in (flaw.path.removeprefix("values."), flaw.detail or flaw.code) if part)
        for flaw in flaws[:3]
    ]
    more = f", and {len(flaws) - 3} more" if len(flaws) > 3 else ""
    return "; ".join(told) + more
