"""Retained: the last message of each topic that asked for it, bounded. amqtt's store has no bound."""

import logging
import time
from collections.abc import Iterator
from typing import Final

from telemetrio.embedded.frames import Publish

MAX_TOPICS: Final = 10_000
MAX_BYTES: Final = 16 * 1024 * 1024
SAY_EVERY_S: Final = 60.0

log = logging.getLogger(__name__)


class Retained:
    """Messages by topic. What is over the bound is refused, counted, and said once a minute."""

    def __init__(self) -> None:
        self._messages: dict[str, Publish] = {}
        self._bytes = 0
        self._said = -SAY_EVERY_S
        self.refused = 0

    def keep(self, message: Publish) -> None:
        """An empty payload clears its topic; a refused message leaves no older one standing as if it were the last."""
        old = self._messages.pop(message.topic, None)
        if old is not None:
            self._bytes -= _size(old)
        if not message.payload:
            return
        if len(self._messages) >= MAX_TOPICS or self._bytes + _size(message) > MAX_BYTES:
            self._refuse(message.topic)
            return
        self._messages[message.topic] = message._replace(retain=True, packet_id=0)
        self._bytes += _size(message)

    def get(self, topic: str) -> Publish | None:
        return self._messages.get(topic)

    def __iter__(self) -> Iterator[str]:
        return iter(self._messages)

    def _refuse(self, topic: str) -> None:
        self.refused += 1
        now = time.monotonic()
        if now - self._said >= SAY_EVERY_S:
            self._said = now
            log.warning("retained messages are full: %d refused so far, now %s", self.refused, topic)


def _size(message: Publish) -> int:
    return len(message.topic) + len(message.payload)
