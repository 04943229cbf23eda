"""Metrics of realtime against what clients were really sent."""

import asyncio

from prometheus_client import CollectorRegistry

from services.realtime.metrics import watch_realtime
from shared.metrics import Metrics
from tests.fakes.metrics import Samples, scraped
from tests.integration.realtime_server import connected, reading, serving, settings, streaming
from tests.peers.waiting import eventually_async


async def refresh() -> None:
    """Nothing needs an await."""


def of(samples: Samples, name: str, **labels: str) -> float:
    return samples[f"telemetrio_realtime_{name}", tuple(sorted(labels.items()))]


async def test_what_clients_got_is_counted() -> None:
    """Sessions by transport, messages and readings delivered, and how sessions ended, also after they have gone."""
    registry = CollectorRegistry()
    async with serving() as server:
        watch_realtime(registry, server.realtime)
        metrics = Metrics(registry, refresh)
        async with connected(server) as client, streaming(server) as events:
            await client.subscribe()
            await events.until("snapshot")
            server.publish(reading("d1", 1), reading("d2", 1))
            assert len((await client.next())["readings"]) == len((await events.next())["readings"]) == 2
            seen = await scraped(metrics)
            assert of(seen, "clients", transport="websocket") == of(seen, "clients", transport="sse") == 1
            assert of(seen, "subscriptions") == 2
            assert of(seen, "published_total") == 2
            assert of(seen, "readings_delivered_total") == 4
            assert of(seen, "frames_total") == 2 * 4
        await server.emptied()
        seen = await scraped(metrics)
        assert of(seen, "clients", transport="websocket") == 0
        assert of(seen, "readings_delivered_total") == 4
        assert of(seen, "ended_total", code="1000") == 2


async def test_what_a_slow_client_missed_is_counted() -> None:
    """While it does not read its mailbox shows, then the gap and the readings that were left out."""
    registry = CollectorRegistry()
    async with serving(settings(mailbox_kib=16, coalesce_ms=0)) as server, connected(server) as client:
        watch_realtime(registry, server.realtime)
        metrics = Metrics(registry, refresh)
        await client.subscribe()
        (session,) = server.realtime.sessions
        number = 0
        while not session.mailbox.conflating:
            number += 1
            server.publish(*(reading(f"d{device}", number, note="x" * 500) for device in range(5)))
            await asyncio.sleep(0)
        seen = await scraped(metrics)
        assert of(seen, "slow_clients") == 1
        assert of(seen, "mailbox_bytes") > 0
        gap = await client.until("gap")

        async def caught_up() -> bool:
            return session.idle

        received = 0
        while received < 5:
            received += len((await client.until("readings"))["readings"])
        await eventually_async(caught_up)
        seen = await scraped(metrics)
        assert of(seen, "gaps_total") >= 1
        assert of(seen, "readings_dropped_total") >= gap["dropped"] > 0
        published = of(seen, "published_total")
        assert of(seen, "readings_delivered_total") == published - of(seen, "readings_dropped_total")
