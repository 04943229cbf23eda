"""Notices: what services say is told apart from what devices say, and keeps its place."""

from collections.abc import Sequence
from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.delivery import Delivery
from services.ingest.notices import Notices
from shared.topics import control_topic, registry_topic
from tests.fakes.ingest import NOW, delivery, nothing


async def handle(_delivery: Delivery) -> None:
    return


def notice(topic: str) -> Delivery:
    return Delivery(topic, b"", 1, NOW, nothing)


def router() -> Notices:
    notices = Notices()
    notices.on(registry_topic(), handle)
    notices.on(control_topic("ingest"), handle)
    return notices


def test_services_topics_are_what_the_session_asks_for() -> None:
    """Whoever handles a topic has subscribed to it by that."""
    assert router().topics == ("telemetrio/registry", "telemetrio/control/ingest")
    assert Notices().topics == ()


def test_devices_messages_pass_as_they_are() -> None:
    """The very list that was taken, when there is no notice in it, or nobody to hear one."""
    messages = [delivery("d1", {"a": 1}), delivery("d2", {"a": 1})]
    for notices in (Notices(), router()):
        ((handler, passed),) = notices.runs(messages)
        assert handler is None
        assert passed is messages


@given(st.lists(st.sampled_from(["iot/devices/d1/data", "telemetrio/registry", "telemetrio/control/ingest", "x"])))
def test_everything_keeps_its_place(topics: Sequence[str]) -> None:
    """Whatever is mixed: nothing is left out, nothing overtakes, and each notice is alone with its handler."""
    deliveries = [notice(topic) for topic in topics]
    runs = list(router().runs(deliveries))
    assert list(chain.from_iterable(run for _, run in runs)) == deliveries
    for handler, run in runs:
        services = [delivery.topic.startswith("telemetrio/") for delivery in run]
        assert services == [True] if handler else not any(services)
