"""A page of metrics, parsed as Prometheus does."""

from collections.abc import Sequence
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from shared.metrics import Metrics, MetricsPage

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class MemoryFilters:
    """A session that remembers what it is told."""

    def __init__(self) -> None:
        self.saved: Sequence[str] = ()

    async def load(self) -> Sequence[str]:
        return self.saved

    async def save(self, filters: Sequence[str]) -> None:
        self.saved = filters


def names_of(registry: CollectorRegistry) -> set[str]:
    """As they are scraped: a counter's name ends in _total."""
    return {metric.name + ("_total" if metric.type == "counter" else "") for metric in registry.collect()}


def parsed(text: str) -> Samples:
    """(name, labels) → value of every sample."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def scraped(metrics: Metrics) -> Samples:
    status, body = await asked(MetricsPage(metrics))
    assert status == 200
    return parsed(body)


async def asked(page: MetricsPage, **scope: Any) -> tuple[int, str]:
    """(status, body) of a request."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing of a body is read")

    given = {"type": "http", "method": "GET", "path": "/metrics", "headers": [], "client": ("127.0.0.1", 1), **scope}
    await page(given, receive, send)
    return sent[0]["status"], sent[1]["body"].decode()
