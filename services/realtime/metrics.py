"""What realtime tells Prometheus: counted where it happens anyway, added up when somebody asks."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry

from services.realtime.app import Realtime
from services.realtime.sessions import Sent
from shared.metrics import Figure, Figures


def watch_realtime(registry: CollectorRegistry, realtime: Realtime) -> None:
    """Each scrape walks the sessions once for each figure: some milliseconds for thousands of them."""
    sessions, entrance, part = realtime.sessions, realtime.entrance, "telemetrio_realtime"

    def sent(read: Callable[[Sent], int]) -> Callable[[], float]:
        return lambda: read(sessions.sent)

    Figures(
        registry,
        [
            Figure(f"{part}_clients", "Sessions.", "gauge", lambda: entrance.clients, "transport"),
            Figure(
                f"{part}_subscriptions",
                "Of all sessions.",
                "gauge",
                lambda: sum(session.subscriptions for session in sessions),
            ),
            Figure(
                f"{part}_mailbox_bytes",
                "Readings that wait for clients.",
                "gauge",
                lambda: sum(session.mailbox.bytes for session in sessions),
            ),
            Figure(
                f"{part}_slow_clients",
                "Clients for whom readings are being conflated.",
                "gauge",
                lambda: sum(session.mailbox.conflating for session in sessions),
            ),
            Figure(f"{part}_published", "Readings that were announced.", "counter", lambda: realtime.published),
            Figure(f"{part}_frames", "Messages to clients.", "counter", sent(lambda sent: sent.frames)),
            Figure(f"{part}_readings_delivered", "To all clients.", "counter", sent(lambda sent: sent.readings)),
            Figure(f"{part}_gaps", "Gaps that clients were told of.", "counter", sent(lambda sent: sent.gaps)),
            Figure(f"{part}_readings_dropped", "Left out, with a gap.", "counter", sent(lambda sent: sent.dropped)),
            Figure(f"{part}_ended", "Sessions that ended.", "counter", lambda: sessions.ended, "code"),
            Figure(f"{part}_refused", "Newcomers not let in.", "counter", lambda: entrance.refused, "reason"),
        ],
    )
