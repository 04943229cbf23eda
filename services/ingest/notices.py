"""What services tell ingest: messages on topics of their own, each handed to whoever asked for that topic.

They come on the same session as telemetry, so they are acknowledged in their place among it: everything before a notice
is on disk when it is handed over, and nothing after it is taken before the handler has returned.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from operator import itemgetter
from typing import Final

from services.ingest.delivery import Delivery, Message

# what it must have written down is on disk when it returns: the notice is acknowledged then
Handler = Callable[[Message], Awaitable[None]]

_topic: Final = itemgetter(0)


class Notices:
    """topic → handler. Devices' messages pass by untouched."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}

    def on(self, topic: str, handler: Handler) -> None:
        self._handlers[topic] = handler

    @property
    def topics(self) -> tuple[str, ...]:
        """To subscribe to."""
        return tuple(self._handlers)

    def runs(self, deliveries: Sequence[Delivery]) -> Iterator[tuple[Handler | None, Sequence[Delivery]]]:
        """All of them, in order: each notice alone with its handler, and what lies between them."""
        between: list[Delivery] = []
        for delivery in deliveries:
            if self._handlers.keys().isdisjoint(map(_topic, delivery.messages)):
                between.append(delivery)  # nearly always
                continue
            for handler, part in self._parts(delivery):
                if handler is None:
                    between.append(part)
                    continue
                if between:
                    yield None, between
                    between = []
                yield handler, [part]
        if between:
            yield None, between

    def _parts(self, delivery: Delivery) -> Iterator[tuple[Handler | None, Delivery]]:
        begin = 0
        for position, (topic, _) in enumerate(delivery.messages):
            handler = self._handlers.get(topic)
            if handler is not None:
                if begin < position:
                    yield None, delivery.part(begin, position)
                yield handler, delivery.part(position, position + 1)
                begin = position + 1
        if begin < len(delivery.messages):
            yield None, delivery.part(begin, len(delivery.messages))
