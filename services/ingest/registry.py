"""Who a device is: its owner and its profile, from a copy that is there when the relational database is not."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple

import structlog

from services.ingest.backlog import ProfileRow, RegistryRow
from shared.profiles import OPEN, PROFILES, Profile, read_profile

log = structlog.get_logger()

LOCAL_ADMIN: Final = 1


class Device(NamedTuple):
    """What ingest must know of a device to judge its messages."""

    user_id: int
    profile: Profile
    disabled: bool = False


class Registry:
    """Device id → Device. Unknown devices are registered to the local admin, or refused."""

    def __init__(self, unknown_devices: Literal["register", "refuse"], default_profile: str) -> None:
        self._devices: dict[str, Device] = {}
        self._uncommitted: set[str] = set()
        self._pending: dict[str, None] = {}
        self.version = 0  # of all that was learned: who keeps something of it asks again when it moves
        self._profiles: Mapping[str, Profile] = PROFILES
        self._heard = asyncio.Event()
        self._newcomer = Device(LOCAL_ADMIN, PROFILES[default_profile]) if unknown_devices == "register" else None

    def find(self, device_id: str) -> Device | None:
        return self._devices.get(device_id)

    def owner_of(self, device_id: str) -> int | None:
        device = self._devices.get(device_id)
        return None if device is None else device.user_id

    def register(self, device_id: str) -> Device | None:
        """Make an unknown device known, where the settings allow it; the caller has it written down."""
        if self._newcomer is not None:
            self._devices[device_id] = self._newcomer
            self._uncommitted.add(device_id)
        return self._newcomer

    def learn(self, rows: Iterable[RegistryRow], profiles: Iterable[ProfileRow] = ()) -> None:
        """Take what a copy, or the relational database, says."""
        self.version += 1
        self._learn(rows, profiles)

    def _learn(self, rows: Iterable[RegistryRow], profiles: Iterable[ProfileRow]) -> None:
        self._profiles = {**_sound(profiles), **PROFILES}
        for device_id, user_id, profile, disabled in rows:
            # a profile that nobody can tell: taken for unknown, the device would become somebody else's
            self._devices[device_id] = Device(user_id, self._profiles.get(profile, OPEN), disabled)

    def replace(self, rows: Iterable[RegistryRow], profiles: Iterable[ProfileRow] = ()) -> None:
        """Take the relational database's word for everything but the devices that it doesn't have.

        It may have one that we have yet to tell it of: somebody added it there when it had just spoken here.
        """
        kept = {device_id: self._devices[device_id] for device_id in (*self._pending, *self._uncommitted)}
        before, self._devices = self._devices, {}
        self._learn(rows, profiles)
        self._devices = {**kept, **self._devices}
        if self._devices != before:  # profiles are part of the devices
            self.version += 1
        self._heard.set()

    @property
    def certain(self) -> bool:
        """Whether the relational database was read in this life: until then unknown devices may be known ones."""
        return self._heard.is_set()

    async def heard(self) -> None:
        """Wait until it is certain."""
        await self._heard.wait()

    def row(self, device_id: str) -> RegistryRow:
        device = self._devices[device_id]
        return device_id, device.user_id, device.profile.name, device.disabled

    def announce(self, device_ids: Iterable[str]) -> None:
        """These are on disk now: the relational database is to hear of them."""
        for device_id in device_ids:
            self._pending[device_id] = None
            self._uncommitted.discard(device_id)

    @property
    def pending(self) -> list[str]:
        return list(self._pending)

    def announced(self, device_ids: Iterable[str]) -> None:
        for device_id in device_ids:
            self._pending.pop(device_id, None)

    def __len__(self) -> int:
        return len(self._devices)


def _sound(rows: Iterable[ProfileRow]) -> dict[str, Profile]:
    """The profiles that can be judged by. One that can't, costs its own devices their profile, and it is said."""
    profiles = {}
    for name, document in rows:
        try:
            profiles[name] = read_profile(name, document)
        except ValueError as error:
            log.warning("profile_unusable", reason=str(error))
    return profiles
