"""Metrics as Prometheus reads them: figures that exist anyway are read when somebody asks; and the page for them.

Names are `telemetrio_<part>_<what>_<unit>`, units seconds and bytes, counters end in `_total`; docs/metrics.md has all.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple

import orjson
from prometheus_client import CollectorRegistry, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from shared.gate import Header, Receive, Scope, Send, is_local
from shared.health import Health

disable_created_metrics()  # type: ignore[no-untyped-call]  # a series more for each counter, which says when the process began

# from a commit of one message on a fast disk to one that waits for a slow one; from a store next door to one far away
SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SIZES: Final = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_000, 5_000)

Admits = Callable[[Scope], Awaitable[bool]]
Values = float | Mapping[str, float]


class Figure(NamedTuple):
    """`read` gives a number, or one for each value of `label`; nothing where there is nothing to tell."""

    name: str
    help: str
    kind: Literal["counter", "gauge"]
    read: Callable[[], Values]
    label: str = ""


class Figures(Collector):
    """What others count, read at the moment in which it is asked for."""

    def __init__(self, registry: CollectorRegistry, figures: Sequence[Figure]) -> None:
        self._figures = figures
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """Names alone: a registry that is put together reads nothing."""
        for figure in self._figures:
            yield _family(figure)

    def collect(self) -> Iterator[Metric]:
        for figure in self._figures:
            family = _family(figure)
            seen = figure.read()
            if isinstance(seen, Mapping):
                for label, value in seen.items():
                    family.add_metric([label] if figure.label else [], value)
            else:
                family.add_metric([], seen)
            yield family


def _family(figure: Figure) -> CounterMetricFamily | GaugeMetricFamily:
    kind = CounterMetricFamily if figure.kind == "counter" else GaugeMetricFamily
    return kind(figure.name, figure.help, labels=[figure.label] if figure.label else [])


def watch_health(registry: CollectorRegistry, health: Health) -> None:
    """The board that `/readyz` shows."""

    def up() -> Mapping[str, float]:
        return {name: float(seen.state == "ok") for name, seen in sorted(health.snapshot().items())}

    Figures(
        registry,
        [
            Figure("telemetrio_dependency_up", "1 while a dependency is ok, 0 while it isn't.", "gauge", up, "name"),
            Figure("telemetrio_ready", "1 while the process can do its job.", "gauge", lambda: float(health.ready)),
        ],
    )


class Metrics(NamedTuple):
    """Of one process. `refresh` reads, before each answer, what can only be read with an await."""

    registry: CollectorRegistry
    refresh: Callable[[], Awaitable[None]]


class MetricsPage:
    """Plain ASGI. `loopback`: nobody from elsewhere may ask, but those whom `admits` lets in."""

    def __init__(self, metrics: Metrics, *, loopback: bool = False, admits: Admits | None = None) -> None:
        self._metrics = metrics
        self._loopback = loopback
        self._admits = admits

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        elif self._loopback and not (is_local(scope) or await self._lets_in(scope)):
            who = (
                "programs on the same machine, and to administrators,"
                if self._admits
                else "programs on the same machine"
            )
            await _refuse(send, 403, "loopback_only", f"Metrics are told to {who} only")
        elif scope["method"] not in ("GET", "HEAD"):
            await _refuse(send, 405, "method_not_allowed", "Metrics can only be read")
        else:
            await self._metrics.refresh()
            body = b"" if scope["method"] == "HEAD" else generate_latest(self._metrics.registry)
            await _answer(send, 200, CONTENT_TYPE_LATEST.encode(), body)

    async def _lets_in(self, scope: Scope) -> bool:
        return self._admits is not None and await self._admits(scope)


async def _refuse(send: Send, status: int, code: str, text: str) -> None:
    told = {"error": text, "message": text, "status": status, "code": code, "details": []}
    await _answer(send, status, b"application/json", orjson.dumps(told))


async def _answer(send: Send, status: int, kind: bytes, body: bytes) -> None:
    headers: list[Header] = [(b"content-type", kind), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
