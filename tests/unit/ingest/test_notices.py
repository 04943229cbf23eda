"""Notices: what services say is told apart from what devices say, and keeps its place."""

from collections.abc import Iterable, Sequence
from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.delivery import Delivery, Message
from services.ingest.notices import Notices
from shared.topics import control_topic, registry_topic
from tests.fakes.ingest import NOW, delivery, singles


async def handle(_notice: Message) -> None:
    return


def sent(*topics: str) -> Delivery:
    return Delivery([(topic, b"%d" % number) for number, topic in enumerate(topics)], NOW, print, range(1, 99, 2))


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
        assert all(one is other for one, other in zip(passed, messages, strict=True))


topics = st.lists(st.sampled_from(["iot/devices/d1/data", "telemetrio/registry", "telemetrio/control/ingest", "x"]))


@given(st.lists(topics))
def test_everything_keeps_its_place(bursts: Sequence[Sequence[str]]) -> None:
    """Whatever is mixed: nothing is left out, nothing overtakes, and each notice is alone with its handler."""
    deliveries = [sent(*burst) for burst in bursts]
    runs = list(router().runs(deliveries))
    assert whole(chain.from_iterable(run for _, run in runs)) == whole(deliveries)
    for handler, run in runs:
        services = [topic.startswith("telemetrio/") for delivery in run for topic, _ in delivery.messages]
        assert services == [True] if handler else not any(services)


def whole(deliveries: Iterable[Delivery]) -> list[tuple[str, bytes, bool]]:
    return [(single.topic, single.payload, single.repeated) for single in singles(deliveries)]
