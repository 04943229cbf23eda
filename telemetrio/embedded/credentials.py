"""Credentials: who a client is, and for which device it may speak, from a copy in memory. Asked for every message.

A device that ever had credentials must present one of them; for a device that never had any, anybody may speak. A
client that presented some speaks and hears as that device alone.
"""

import time
from collections.abc import Iterable
from typing import NamedTuple

from shared.passwords import password_matches
from shared.topics import DEVICE_PREFIX


class Identity(NamedTuple):
    """A device that proved itself, and with what."""

    device_id: str
    credential: int


class Credentials:
    """`used_ns`: when each credential was presented since that was last taken away."""

    def __init__(self, prefix: str = DEVICE_PREFIX) -> None:
        self._prefix = f"{prefix}/"
        self._of: dict[str, dict[int, str]] = {}
        self.used_ns: dict[int, int] = {}

    def learn(self, rows: Iterable[tuple[str, int, str]], closed: Iterable[str] = ()) -> None:
        """Take (device_id, id, password hash) of every credential for all there are.

        `closed`: devices that must present one, of which there may be none (any more).
        """
        known: dict[str, dict[int, str]] = {device_id: {} for device_id in closed}
        for device_id, credential, kept in rows:
            known.setdefault(device_id, {})[credential] = kept
        self._of = known

    def identify(self, username: str | None, password: bytes) -> Identity | None:
        """Who that is; None for no device that must prove itself. Raises PermissionError for a wrong password."""
        of_device = self._of.get(username or "")
        if username is None or of_device is None:
            return None
        for credential, kept in of_device.items():
            if password_matches(password, kept):
                self.used_ns[credential] = time.time_ns()
                return Identity(username, credential)
        raise PermissionError("a wrong password")

    def holds(self, identity: Identity | None) -> bool:
        """Whether what was presented is still good."""
        return identity is None or identity.credential in self._of.get(identity.device_id, ())

    def may_speak(self, identity: Identity | None, topic: str) -> bool:
        if identity is not None:
            return self.holds(identity) and self._is_own(identity, topic)
        if not self._of or not topic.startswith(self._prefix):
            return True
        return topic[len(self._prefix) :].partition("/")[0] not in self._of

    def may_hear(self, identity: Identity | None, topic_filter: str) -> bool:
        return identity is None or self._is_own(identity, topic_filter)

    def _is_own(self, identity: Identity, topic: str) -> bool:
        return topic.startswith(f"{self._prefix}{identity.device_id}/")
