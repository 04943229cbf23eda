"""SenML (RFC 8428) packs: base values resolved, records of one time gathered into one sample."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

_BASE: Final = frozenset({"bn", "bt", "bu", "bv", "bs", "bver"})
_VALUES: Final = ("v", "vs", "vb", "vd", "s")
_KNOWN: Final = _BASE | {"n", "u", "t", "ut", *_VALUES}
RELATIVE_BELOW_S: Final = 2**28  # RFC 8428 4.5.3: smaller times are relative to now


class BadSenML(Exception):
    """A record that can't be resolved; the message says which and why."""


class Pack(NamedTuple):
    """Times in seconds, as the device gave them (None: none given), each with its metrics."""

    samples: Sequence[tuple[int | float | None, dict[str, Any]]]


def is_senml(records: Any) -> bool:
    """Tell a pack by its keys: a base field, or a name together with a value."""
    if not isinstance(records, list) or not records or not isinstance(records[0], dict):
        return False
    first = records[0]
    return not _BASE.isdisjoint(first) or ("n" in first and any(key in first for key in _VALUES))


def resolve(records: Sequence[Any]) -> Pack:
    """Raise BadSenML for the first record that isn't one."""
    base: dict[str, Any] = {}
    samples: dict[int | float | None, dict[str, Any]] = {}
    for position, record in enumerate(records):
        if not isinstance(record, dict):
            raise BadSenML(f"record {position} is no object")
        _must_understand(record, position)
        base.update((key, record[key]) for key in _BASE if key in record)
        value = _value(record, base, position)
        if value is None:
            continue
        samples.setdefault(_time(record, base, position), {})[_name(record, base, position)] = value
    return Pack(list(samples.items()))


def _must_understand(record: dict[str, Any], position: int) -> None:
    for key in record:
        if key not in _KNOWN and key.endswith("_"):
            raise BadSenML(f"record {position} has {key[:64]!r}, which must be understood and isn't")


def _name(record: dict[str, Any], base: dict[str, Any], position: int) -> str:
    """The metric is the record's own name; the base name tells the device, which the topic has told already."""
    name = record.get("n") or base.get("bn", "")
    if not isinstance(name, str):
        raise BadSenML(f"record {position} has a name that is no string")
    return name if record.get("n") else name.rpartition(":")[2]


def _time(record: dict[str, Any], base: dict[str, Any], position: int) -> int | float | None:
    total: int | float = 0
    for given in (base.get("bt", 0), record.get("t", 0)):
        if isinstance(given, bool) or not isinstance(given, int | float):
            raise BadSenML(f"record {position} has a time that is no number")
        total += given
    return total if "bt" in base or "t" in record else None


def _value(record: dict[str, Any], base: dict[str, Any], position: int) -> Any:
    if "vs" in record or "vb" in record:
        return record.get("vs", record.get("vb"))
    if "v" not in record:
        if "vd" in record or "s" in record:
            raise BadSenML(f"record {position} has neither v, vs nor vb: data values and sums are not kept")
        return None
    value, added = record["v"], base.get("bv", 0)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value  # marked or of a wrong type: the judge refuses it by its name
    if isinstance(added, bool) or not isinstance(added, int | float):
        raise BadSenML(f"record {position} has a base value that is no number")
    return value + added
