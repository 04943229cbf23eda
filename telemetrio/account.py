"""A worker's own account of its work, as it gives it to Prometheus; the difference of two says what a run has cost."""

import urllib.request
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

STAGES: Final = ("receive", "judge", "commit", "latest", "announce", "write", "mirror")
_STAGE: Final = "telemetrio_ingest_cpu_seconds_total"
_TRANSACTIONS: Final = "telemetrio_ingest_transactions_total"
_WRITES: Final = "telemetrio_ingest_write_seconds_count"


class Account(NamedTuple):
    """`cpu_s` by stage; the outbox's transactions, one fsync each, and how many of them took messages; writes."""

    cpu_s: Mapping[str, float]
    commits: float
    transactions: float
    writes: float

    def since(self, before: "Account") -> "Account":
        """What has come to it."""
        return Account(
            {stage: spent - before.cpu_s.get(stage, 0.0) for stage, spent in self.cpu_s.items()},
            self.commits - before.commits,
            self.transactions - before.transactions,
            self.writes - before.writes,
        )


def read_account(url: str) -> Account:
    """Ask `/metrics`; raises OSError when nobody answers."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:  # noqa: S310 - our own worker
        samples = list(_samples(answer.read().decode()))
    transactions = [(labels["kind"], value) for name, labels, value in samples if name == _TRANSACTIONS]
    return Account(
        {labels["stage"]: value for name, labels, value in samples if name == _STAGE},
        sum(value for kind, value in transactions if kind == "commit"),
        sum(value for _, value in transactions),
        sum(value for name, _, value in samples if name == _WRITES),
    )


def _samples(text: str) -> Iterator[tuple[str, Mapping[str, str], float]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value
