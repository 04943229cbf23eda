"""Hearing: who may hear what where one must log in: users, by an API key with scope `live`, as on live streams.

Asked from a copy in memory for every message that goes out, so that a device that changes hands is heard by its new
owner alone, whatever filter somebody subscribed to.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from services.api.accounts.tokens import KEY_PREFIX, hash_of_key
from shared.database.credentials import LiveKey
from shared.topics import DEVICE_PREFIX


class Listener(NamedTuple):
    """A user who showed a key; `everybody`: an administrator's key with scope `admin`, which hears every topic."""

    user_id: int
    key: int
    everybody: bool


class Hearing:
    """`owner_of`: the user to whom a device belongs."""

    def __init__(self, owner_of: Callable[[str], int | None], prefix: str = DEVICE_PREFIX) -> None:
        self._owner_of: Final = owner_of
        self._prefix: Final = f"{prefix}/"
        self._keys: Mapping[str, LiveKey] = {}
        self._good: Mapping[Listener, LiveKey] = {}

    def learn(self, keys: Iterable[LiveKey]) -> None:
        """Take these for all the keys that open anything."""
        self._keys = {key.hash: key for key in keys}
        self._good = {_listener(key): key for key in self._keys.values()}

    def identify(self, password: str) -> Listener | None:
        """Whose key that is; None for what is no key at all. Raises PermissionError for one that opens nothing."""
        if not password.startswith(KEY_PREFIX):
            return None
        key = self._keys.get(hash_of_key(password))
        if key is None or _is_over(key):
            raise PermissionError("an API key that is unknown, ended, or without scope live")
        return _listener(key)

    def holds(self, listener: Listener) -> bool:
        """Whether what was shown is still good."""
        key = self._good.get(listener)
        return key is not None and not _is_over(key)

    def may_get(self, listener: Listener, topic: str) -> bool:
        """Whether a message on `topic` is for this user."""
        if listener.everybody:
            return True
        device_id, _, rest = topic.removeprefix(self._prefix).partition("/")
        return topic.startswith(self._prefix) and bool(rest) and self._owner_of(device_id) == listener.user_id


def _listener(key: LiveKey) -> Listener:
    return Listener(key.user_id, key.id, key.everybody)


def _is_over(key: LiveKey) -> bool:
    return key.expires_ns is not None and key.expires_ns <= time.time_ns()
