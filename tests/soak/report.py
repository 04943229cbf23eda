"""What a soak found, as text."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from tests.soak.ledger import Verdict
from tests.soak.samples import Sample
from tests.soak.schedule import Event


class Live(NamedTuple):
    """What the listener had of two devices: `missed` of `owed` never came, `doubled` came live more than once.

    `repeated`: so did these, which were sent again: by a device that had no PUBACK when the broker went, or by the
    broker, which had none when ingest was killed. That is QoS 1.
    """

    owed: int
    missed: int
    doubled: int
    repeated: int
    gaps: int
    connections: int


class Report(NamedTuple):
    """`puback_s` and `live_s`: sorted. `drained_s`: from the last message until nothing was spooled."""

    seed: int
    seconds: float
    verdict: Verdict
    live: Live
    events: Sequence[Event]
    samples: Sequence[Sample]
    puback_s: Sequence[float]
    live_s: Sequence[float]
    drained_s: float
    duplicates: int

    @property
    def clean(self) -> bool:
        return self.verdict.clean and not (self.live.missed or self.live.doubled)


def quantile(values: Sequence[float], share: float) -> float:
    """Of sorted values; 0 of none."""
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0.0


def rows(report: Report) -> list[tuple[str, str, str]]:
    """(what, figure, remark) of each line."""
    verdict, live = report.verdict, report.live
    kinds = ", ".join(
        f"{number} {fault}" for fault, number in sorted(Counter(each.fault for each in report.events).items())
    )
    return [
        ("acknowledged", f"{verdict.acknowledged:,}", f"in {report.seconds:.0f} s, seed {report.seed}"),
        ("kills and cuts", f"{len(report.events)}", kinds),
        ("lost", f"{verdict.lost:,}", "acknowledged and not in the store"),
        ("doubled", f"{verdict.doubled:,}", "more often in the store than sent"),
        ("wrong", f"{verdict.wrong:,}", "with another value than was sent"),
        ("dead letters", f"{verdict.letters:,}", f"of {verdict.bad:,} bad messages that were acknowledged"),
        ("delivered again", f"{report.duplicates:,}", "by the broker, and recognised"),
        (
            "live, missed",
            f"{live.missed:,}",
            f"of {live.owed:,} readings of two devices; {live.gaps} gaps asked for again",
        ),
        (
            "live, doubled",
            f"{live.doubled:,}",
            f"over {live.connections} connections; {live.repeated:,} more were sent again for want of a PUBACK",
        ),
        ("device to PUBACK", _milliseconds(report.puback_s), "p50, p99; at worst as long as the broker was away"),
        ("device to client", _milliseconds(report.live_s), "p50, p99 of live readings, outages included"),
        ("drained", f"{report.drained_s:.1f} s", "after the last message"),
        *(
            (f"memory of {name}", figure, "at a tenth of the time, at the end, at most")
            for name, figure in _memory(report)
        ),
    ]


def _milliseconds(values: Sequence[float]) -> str:
    return f"{quantile(values, 0.5) * 1000:.1f}, {quantile(values, 0.99) * 1000:.0f} ms"


def _memory(report: Report) -> list[tuple[str, str]]:
    found = []
    for name in ("ingest", "realtime", "api"):
        seen = [sample.memory_mib[name] for sample in report.samples if name in sample.memory_mib]
        if seen:
            found.append((name, f"{seen[len(seen) // 10]:.0f}, {seen[-1]:.0f}, {max(seen):.0f} MiB"))
    return found
