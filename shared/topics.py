"""The only place that builds or parses a topic string. Prefixes are settings; these are the defaults."""

from functools import lru_cache
from typing import Final, Literal, NamedTuple

from shared.identifiers import is_device_id

DEVICE_PREFIX: Final = "iot/devices"
SERVICE_PREFIX: Final = "telemetrio"

_REMEMBERED_LENGTH: Final = 256
_MAX_PREFIX: Final = 128

Kind = Literal["data", "status"]
_KINDS: Final[dict[str, Kind]] = {"data": "data", "status": "status"}


class DeviceTopic(NamedTuple):
    """A topic on which a device speaks to ingest. `device_id` is None where the level is no valid id."""

    device_id: str | None
    kind: Kind
    level: str


def parse_device_topic(topic: str, prefix: str = DEVICE_PREFIX) -> DeviceTopic | None:
    """`{prefix}/{device_id}/data` or `…/status`; None for any other topic."""
    # a fleet says the same topics again and again; long ones, which nobody honest has, must not fill the memory
    return _parse(topic, prefix) if len(topic) < _REMEMBERED_LENGTH else _parse.__wrapped__(topic, prefix)


@lru_cache(maxsize=8192)
def _parse(topic: str, prefix: str) -> DeviceTopic | None:
    if not topic.startswith(prefix):
        return None
    rest = topic[len(prefix) :]
    if not rest.startswith("/"):
        return None
    level, _, last = rest[1:].rpartition("/")
    kind = _KINDS.get(last)
    if kind is None or "/" in level:
        return None
    return DeviceTopic(level if is_device_id(level) else None, kind, level)


def check_prefix(prefix: str) -> str:
    """Return what device topics may begin with; raises ValueError with the mend."""
    levels = prefix.split("/")
    mend = f"write it like {DEVICE_PREFIX}"
    if not prefix or not all(levels):
        raise ValueError(f"there is nothing before, after or between its slashes: {mend}")
    if len(prefix) > _MAX_PREFIX or not prefix.isprintable() or any(letter in prefix for letter in "+#, "):
        raise ValueError(f"it is {_MAX_PREFIX} letters at most, without blanks, commas, + or #: {mend}")
    if levels[0] == SERVICE_PREFIX or prefix.startswith("$"):
        raise ValueError(f"{levels[0]}/ is not for devices: {mend}")
    return prefix


def live_topic(source: str) -> str:
    """Where a worker announces what it committed."""
    return f"{SERVICE_PREFIX}/live/{source}"


def instance_topic(source: str) -> str:
    """Retained here: the random id of the process that has the session of this name."""
    return f"{SERVICE_PREFIX}/ingest/{source}"


def control_topic(source: str) -> str:
    """Where a worker is told what to do: api → ingest."""
    return f"{SERVICE_PREFIX}/control/{source}"


def control_answer_topic(source: str) -> str:
    """Where it says what became of that."""
    return f"{control_topic(source)}/done"


def registry_topic() -> str:
    """Where it is said that a device, profile, user or key has changed: api → ingest, realtime."""
    return f"{SERVICE_PREFIX}/registry"


def device_topics(device_id: str, prefix: str = DEVICE_PREFIX) -> str:
    """What each topic begins with that is a device's own."""
    return f"{prefix}/{device_id}/"


def data_topic(device_id: str, prefix: str = DEVICE_PREFIX) -> str:
    return f"{prefix}/{device_id}/data"


def status_topic(device_id: str, prefix: str = DEVICE_PREFIX) -> str:
    return f"{prefix}/{device_id}/status"


def error_topic(device_id: str, prefix: str = DEVICE_PREFIX) -> str:
    return f"{prefix}/{device_id}/errors"
