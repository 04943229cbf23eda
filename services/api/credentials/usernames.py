"""As whom a device presents a credential at a broker of its own: `{device_id}~{name}`. Pure."""

from typing import Final, NamedTuple

from shared.identifiers import is_device_id

MARK: Final = (
    "~"  # in no device's id, so that no tenant's device is taken for an account of ours; a URL needs no escape
)


class Named(NamedTuple):
    """A credential, by the names of people."""

    device_id: str
    name: str

    @property
    def username(self) -> str:
        return f"{self.device_id}{MARK}{self.name}"


def parse_username(text: str) -> Named | None:
    """None for whoever is no device."""
    device_id, mark, name = text.partition(MARK)
    return Named(device_id, name) if mark and name and is_device_id(device_id) else None
