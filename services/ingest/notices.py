"""What services tell ingest: messages on topics of their own, each handed to whoever asked for that topic.

They come on the same session as telemetry, so they are acknowledged in their place among it: everything before a notice
is on disk when it is handed over, and nothing after it is taken before the handler has returned.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence

from services.ingest.delivery import Delivery

# what it must have written down is on disk when it returns: the notice is acknowledged then
Handler = Callable[[Delivery], Awaitable[None]]


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
        if self._handlers.keys().isdisjoint([delivery.topic for delivery in deliveries]):
            yield None, deliveries  # nearly always
            return
        between: list[Delivery] = []
        for delivery in deliveries:
            handler = self._handlers.get(delivery.topic)
            if handler is None:
                between.append(delivery)
                continue
            if between:
                yield None, between
                between = []
            yield handler, [delivery]
        if between:
            yield None, between
