"""What an api tells Prometheus: requests by route, questions to the store, connections to the database."""

import inspect
import time
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, Final, cast

from prometheus_client import CollectorRegistry, Counter, Histogram
from quart import Quart, Response, g, request
from sqlalchemy import QueuePool
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.metrics import SECONDS, Figure, Figures
from shared.timeseries.store import TimeSeriesStore

_PART: Final = "telemetrio_api"
_UNKNOWN: Final = ("", "")


class Requests:
    """Counts and times what an app answers. A stream's time is that to its first byte."""

    def __init__(self, registry: CollectorRegistry) -> None:
        route = ["method", "route"]
        self._answered = Counter(
            f"{_PART}_requests", "Requests by route and status.", [*route, "status"], registry=registry
        )
        self._seconds = Histogram(
            f"{_PART}_request_seconds", "From its head to the answer's.", route, registry=registry, buckets=SECONDS
        )

    def watch(self, app: Quart) -> None:
        app.before_request(self._begun)
        app.after_request(self._ended)

    async def _begun(self) -> None:
        g.begun_s = time.perf_counter()

    async def _ended(self, response: Response) -> Response:
        # what a stranger made up, be it a path or a method, must not become a series of its own
        route = (request.method, request.url_rule.rule) if request.url_rule is not None else _UNKNOWN
        now_s = time.perf_counter()  # what was refused before it began took no time
        self._answered.labels(*route, str(response.status_code)).inc()
        self._seconds.labels(*route).observe(now_s - g.get("begun_s", now_s))
        return response


def measured(store: TimeSeriesStore, registry: CollectorRegistry) -> TimeSeriesStore:
    """The store, with a clock beside whatever it is asked."""
    return cast("TimeSeriesStore", _Measured(store, registry))


class _Measured:
    """Every coroutine of the store is timed by its name; the rest is passed on as it is."""

    def __init__(self, store: TimeSeriesStore, registry: CollectorRegistry) -> None:
        self._store = store
        self._seconds = Histogram(
            f"{_PART}_store_seconds",
            "A question to the store.",
            ["question", "outcome"],
            registry=registry,
            buckets=SECONDS,
        )

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        return self._timed(name, found) if inspect.iscoroutinefunction(found) else found

    def _timed(self, name: str, ask: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @wraps(ask)
        async def timed(*args: Any, **kwargs: Any) -> Any:
            begun_s, outcome = time.perf_counter(), "ok"
            try:
                return await ask(*args, **kwargs)
            except BaseException as error:
                outcome = type(error).__name__.lower()
                raise
            finally:
                self._seconds.labels(name, outcome).observe(time.perf_counter() - begun_s)

        return timed


def watch_pool(registry: CollectorRegistry, engine: AsyncEngine) -> None:
    """How many connections to the relational database requests hold now."""

    def held() -> float:
        pool = engine.pool
        return pool.checkedout() if isinstance(pool, QueuePool) else 0

    text = "Connections to the relational database that are in use."
    Figures(registry, [Figure(f"{_PART}_pool_connections", text, "gauge", held)])
