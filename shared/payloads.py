"""The judge, pure: bytes of a device in, samples or reasons out. Every form and rule is in docs/protocol.md.

A sample stands or falls as a whole only for its time, its device and its size; a metric that can't be kept is refused
alone, and the others of the same sample are kept.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from shared.profiles import Profile
from shared.readings import Values
from shared.senml import RELATIVE_BELOW_S, BadSenML, is_senml, resolve
from shared.strictjson import NotDecodable, decode, decode_marking, refuse_deep
from shared.times import EARLIEST_NS, iso_ns, number_ns, parse_iso_ns
from shared.values import NESTED, Flaw, NeedsCare, keep, name_flaw, shown

MAX_PAYLOAD: Final = 64 * 1024
MAX_SAMPLES: Final = 1_000
MAX_METRICS: Final = 100
TIME_KEYS: Final = ("timestamp", "ts", "time")
_MAX_SECONDS: Final = 2**63 / 1e9


class Sample(NamedTuple):
    """An accepted sample. `ts_ns` None: it came without a time, and gets that of its receipt."""

    ts_ns: int | None
    values: Values
    refused: tuple[Flaw, ...] = ()


class Window(NamedTuple):
    """Which times are believed, in ns; None: any."""

    earliest_ns: int | None
    latest_ns: int | None


class Verdict(NamedTuple):
    """Entries of one message: `accepted` to be stored, `refused` (one Flaw each) to be dead letters."""

    accepted: list[Sample]
    refused: list[Flaw]

    @property
    def flawed(self) -> bool:
        """Whether anything at all was refused."""
        if self.refused:
            return True
        for sample in self.accepted:  # noqa: SIM110 - asked for each message: any() would cost three times as much
            if sample.refused:
                return True
        return False

    def codes(self) -> Iterator[str]:
        """Every code of every flaw."""
        yield from (flaw.code for flaw in self.refused)
        yield from (flaw.code for sample in self.accepted for flaw in sample.refused)


def judge(  # noqa: PLR0913 - a message, who sent it, when, and what is believed
    payload: bytes, profile: Profile, device_id: str, now_ns: int, window: Window, *, aside: tuple[str, ...] = ()
) -> Verdict:
    """Judge one message. A message that can't be decoded is one refused entry.

    `aside`: keys of a sample that are no metrics, and somebody else's to read.
    """
    if len(payload) > MAX_PAYLOAD:
        return _whole("too_large", f"{len(payload)} bytes, at most {MAX_PAYLOAD}")
    try:
        try:
            verdict = _Judge(profile, device_id, now_ns, window, aside).content(decode(payload))
        except NeedsCare:
            verdict = _Judge(profile, device_id, now_ns, window, aside, careful=True).content(decode_marking(payload))
        if verdict.flawed and NESTED.code in verdict.codes():
            refuse_deep(payload)
    except NotDecodable as error:
        return _whole(error.code, error.detail)
    return verdict


def _whole(code: str, detail: str = "") -> Verdict:
    return Verdict([], [Flaw("", code, detail)])


@dataclass(slots=True)
class _Judge:
    profile: Profile
    device_id: str
    now_ns: int
    window: Window
    aside: tuple[str, ...] = ()
    careful: bool = False

    def content(self, content: Any) -> Verdict:
        if isinstance(content, dict):
            one = self._sample(content, "")
            return Verdict([one], []) if isinstance(one, Sample) else Verdict([], [one])
        if not isinstance(content, list):
            return _whole("not_json", "a sample is an object, or an array of objects")
        if not content:
            return _whole("empty", "an empty array")
        if len(content) > MAX_SAMPLES:
            return _whole("too_many_samples", f"{len(content)} samples, at most {MAX_SAMPLES}")
        if is_senml(content):
            return self._senml(content)
        return _sorted([self._sample(each, f"[{position}]") for position, each in enumerate(content)])

    def _senml(self, records: list[Any]) -> Verdict:
        try:
            pack = resolve(records)
        except BadSenML as error:
            return _whole("bad_senml", str(error))
        found: list[Sample | Flaw] = []
        for seconds, metrics in pack.samples:
            ts_ns = None if seconds is None else self._senml_time(seconds)
            found.append(ts_ns if isinstance(ts_ns, Flaw) else self._metrics(metrics, ts_ns, ""))
        return _sorted(found) if found else _whole("empty", "no record has a value")

    def _sample(self, content: Any, path: str) -> Sample | Flaw:
        if not isinstance(content, dict):
            return Flaw(path, "nested" if isinstance(content, list) else "not_json", "a sample is an object")
        if content.get("device_id", self.device_id) != self.device_id:
            return Flaw(_join(path, "device_id"), "device_mismatch", f"the topic says {self.device_id}")
        time_key = _time_key(content)
        ts_ns = self._time(content[time_key], _join(path, time_key)) if time_key else None
        if isinstance(ts_ns, Flaw):
            return ts_ns
        inner = content.get("values")
        if not isinstance(inner, dict):
            silent = (time_key, "device_id") if time_key else ("device_id",)
            return self._metrics(content, ts_ns, path, silent + self.aside if self.aside else silent)
        sample = self._metrics(inner, ts_ns, _join(path, "values"))
        beside = tuple(
            Flaw(_join(path, key), "unknown_metric", "stands beside `values`")
            for key in content
            if key not in (time_key, "device_id", "values", *self.aside)
        )
        return sample._replace(refused=(*sample.refused, *beside)) if isinstance(sample, Sample) else sample

    def _metrics(
        self, metrics: dict[str, Any], ts_ns: int | None, path: str, silent: tuple[str, ...] = ()
    ) -> Sample | Flaw:
        """Judge the metrics of one sample in one pass: the hot loop."""
        if len(metrics) > MAX_METRICS and len(metrics) - sum(name in metrics for name in silent) > MAX_METRICS:
            return Flaw(path, "too_many_metrics", f"{len(metrics)} metrics, at most {MAX_METRICS}")
        values: Values = {}
        refused: list[Flaw] = []
        declared, takes_any = self.profile.metrics, self.profile.open
        for name, value in metrics.items():
            if value is None or name in silent:
                continue
            flaw = name_flaw(name)
            if flaw is None:
                metric = declared.get(name)
                if metric is None and not takes_any:
                    flaw = "unknown_metric"
                else:
                    kept = keep(value, metric, careful=self.careful)
                    if not isinstance(kept, Flaw):
                        values[name] = kept
                        continue
                    flaw = kept.code
            refused.append(Flaw(_join(path, name), flaw))
        if values:
            return Sample(ts_ns, values, tuple(refused))
        if refused:
            return Flaw(refused[0].path, refused[0].code, f"none of {len(refused)} metrics could be kept")
        return Flaw(path, "empty", "no metric")

    def _time(self, given: Any, path: str) -> int | Flaw:
        try:
            if isinstance(given, str):
                ts_ns = parse_iso_ns(given)
            elif isinstance(given, int | float) and not isinstance(given, bool):
                ts_ns = number_ns(given)
            else:
                return Flaw(path, "bad_timestamp", "a number, or ISO 8601 with its zone")
        except ValueError as error:
            return Flaw(path, "bad_timestamp", str(error))
        return self._inside(ts_ns, path)

    def _senml_time(self, seconds: float) -> int | Flaw:
        if not -_MAX_SECONDS < seconds < _MAX_SECONDS:
            return Flaw("t", "bad_timestamp", "beyond what 64 bits of nanoseconds can hold")
        ts_ns = seconds * 10**9 if isinstance(seconds, int) else round(seconds * 1e6) * 1000
        return self._inside(self.now_ns + ts_ns if seconds < RELATIVE_BELOW_S else ts_ns, "t")

    def _inside(self, ts_ns: int, path: str) -> int | Flaw:
        earliest, latest = self.window
        if ts_ns < EARLIEST_NS:
            return Flaw(path, "bad_timestamp", "before 2001-09-09: is the device's clock set?")
        if (earliest is not None and ts_ns < earliest) or (latest is not None and ts_ns > latest):
            return Flaw(path, "timestamp_out_of_window", iso_ns(ts_ns))
        return ts_ns


def _time_key(content: dict[str, Any]) -> str:
    """The first key that gives a time; null counts as absent."""
    for key in TIME_KEYS:
        if content.get(key) is not None:
            return key
    return ""


def _sorted(found: Sequence[Sample | Flaw]) -> Verdict:
    accepted = [each for each in found if isinstance(each, Sample)]
    return Verdict(accepted, [] if len(accepted) == len(found) else [each for each in found if isinstance(each, Flaw)])


def _join(path: str, name: str) -> str:
    return f"{path}.{shown(name)}" if path else shown(name)
