"""What a process depends on, by name: each dependency's state and since when, for /readyz and the logs."""

import time
from collections.abc import Mapping
from typing import Literal, NamedTuple

import structlog

State = Literal["ok", "degraded", "down"]

log = structlog.get_logger()


class Dependency(NamedTuple):
    """`needed`: while it is down the process can't do its job, and readiness fails."""

    state: State
    since_ns: int
    detail: str
    needed: bool


class Health:
    """The board on which the parts of a process write, and from which health routes read."""

    def __init__(self) -> None:
        self._dependencies: dict[str, Dependency] = {}

    def report(self, name: str, state: State, detail: str = "", *, needed: bool = True) -> None:
        """Tell the state of a dependency. A change of it, or of why it isn't ok, is logged; telling it again isn't."""
        known = self._dependencies.get(name)
        same = known is not None and known.state == state
        since_ns = known.since_ns if known is not None and same else time.time_ns()
        self._dependencies[name] = Dependency(state, since_ns, detail, needed)
        if state == "ok":
            if known is not None and not same:
                log.info("dependency", name=name, state=state, detail=detail)
        elif known is None or not same or known.detail != detail:
            log.error("dependency", name=name, state=state, detail=detail)

    @property
    def ready(self) -> bool:
        return all(seen.state != "down" or not seen.needed for seen in self._dependencies.values())

    def __getitem__(self, name: str) -> Dependency:
        return self._dependencies[name]

    def snapshot(self) -> Mapping[str, Dependency]:
        return dict(self._dependencies)
