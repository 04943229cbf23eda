"""What the fleet of a soak says, each message once more for its ledger: time, value, and when it was acknowledged."""

import time
from array import array
from collections.abc import Iterator

from telemetrio.publisher import Message
from tests.peers.fleet import Fleet

_BAD_EVERY = 499  # a prime: bad ones come from every device


class Speech(Fleet):
    """Real times, all different. `sent[ts_ns]` is a value; `bad[ts_ns]` the payload of a message that says nothing."""

    def __init__(self, port: int, name: str, devices: int) -> None:
        super().__init__(port, name, devices=devices)
        self.sent: dict[int, float] = {}
        self.bad: dict[int, bytes] = {}
        self.puback_s = array("f")
        self._last_ns = 0

    @property
    def devices(self) -> Iterator[str]:
        return (f"{self.name}-{number}" for number in range(self._devices))

    def device_of(self, ts_ns: int) -> str:
        return f"{self.name}-{int(self.sent[ts_ns]) % self._devices}"

    def __next__(self) -> Message:
        number = next(self._numbers)
        self._last_ns = ts_ns = max(time.time_ns(), self._last_ns + 1)
        topic = b"iot/devices/%b-%d/data" % (self.name.encode(), number % self._devices)
        if number % _BAD_EVERY == 0:
            self.bad[ts_ns] = payload = b"not json %d" % ts_ns
        else:
            self.sent[ts_ns] = number + 0.5
            payload = b'{"temperature": %d.5, "timestamp": %d}' % (number, ts_ns)
        return Message(topic, payload, ts_ns)

    def _took(self, message: Message, seconds: float) -> None:
        super()._took(message, seconds)
        self.puback_s.append(seconds)
