"""The judge's quick way, pure: what most devices send is one flat object of numbers, with the same names each time.

Which names such a message has is judged once; after that only its values are looked at. Whatever is not as plain as
that gives None here, and is left to `payloads.judge`, whose word is the same for all that this one takes.
"""

from typing import Any, Final, NamedTuple

import orjson

from shared.identifiers import MAX_METRIC_NAME
from shared.payloads import MAX_METRICS, MAX_PAYLOAD, TIME_KEYS
from shared.profiles import Profile
from shared.readings import Values
from shared.strictjson import MAX_INTEGER
from shared.times import number_ns, parse_iso_ns
from shared.values import name_flaw

# devices make up names: so many sets of names are remembered, then all are forgotten and learned anew
_MAX_SHAPES: Final = 1_024
_MAX_NAMES: Final = 32
# beyond it an integer could not be kept exactly, and orjson may have made a float of it
_LOW: Final = -float(MAX_INTEGER)
_HIGH: Final = float(MAX_INTEGER)

_loads = orjson.loads


class Shape(NamedTuple):
    """What a set of names means: `time_key` is empty where the sample has no time of its own."""

    time_key: str
    has_device_id: bool
    ranges: tuple[tuple[float, float], ...] | None


class FlatJudge:
    """Judges for devices of one profile."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._shapes: dict[tuple[str, ...], Shape | None] = {}

    # spelled out: calls would cost as much as the work
    def judge(self, payload: bytes, device_id: str) -> tuple[int | None, Values] | None:  # noqa: C901, PLR0911, PLR0912
        """(its own time in ns, or None; its values), or None for what the thorough way must look at.

        The time is any that 64 bits can hold: whether it is believed is the caller's to say.
        """
        if len(payload) > MAX_PAYLOAD:
            return None
        try:
            content: Any = _loads(payload)
        except orjson.JSONDecodeError:
            return None
        if type(content) is not dict:
            return None
        names = tuple(content)
        try:
            shape = self._shapes[names]
        except KeyError:
            shape = self._learn(names)
        if shape is None:
            return None
        time_key, has_device_id, ranges = shape
        if has_device_id and content.pop("device_id") != device_id:
            return None
        ts_ns = None
        if time_key:
            ts_ns = _time(content.pop(time_key))
            if ts_ns is None:
                return None
        low, high = _LOW, _HIGH
        for name, value in content.items():
            if type(value) is not float:
                if type(value) is not int:
                    return None
                content[name] = value = float(value)  # noqa: PLW2901 - the very value that is kept
            if not low < value < high:
                return None
        if ranges is not None:
            for value, (low, high) in zip(content.values(), ranges, strict=True):
                if not low <= value <= high:
                    return None
        return ts_ns, content

    def _learn(self, names: tuple[str, ...]) -> Shape | None:
        if len(self._shapes) >= _MAX_SHAPES:
            self._shapes.clear()
        shape = self._shape(names)
        if len(names) <= _MAX_NAMES and max(map(len, names), default=0) <= MAX_METRIC_NAME:
            self._shapes[names] = shape
        return shape

    def _shape(self, names: tuple[str, ...]) -> Shape | None:
        """None where the names alone tell that the thorough way is needed."""
        times = [name for name in names if name in TIME_KEYS]
        metrics = [name for name in names if name not in TIME_KEYS and name != "device_id"]
        if not metrics or len(metrics) > MAX_METRICS or len(times) > 1:
            return None
        declared = [self._profile.metrics.get(name) for name in metrics]
        if any(name_flaw(name) for name in metrics) or (not self._profile.open and None in declared):
            return None
        if any(metric is not None and metric.type != "number" for metric in declared):
            return None
        ranges = tuple((_LOW, _HIGH) if metric is None else metric.range for metric in declared)
        bounded = any(metric is not None and metric.bounded for metric in declared)
        return Shape("".join(times), "device_id" in names, ranges if bounded else None)


def _time(given: Any) -> int | None:
    try:
        if type(given) is int or type(given) is float:
            return number_ns(given)
        return parse_iso_ns(given) if type(given) is str else None
    except ValueError:
        return None
