"""Devices as the seeds' frontends read and write them."""

from typing import Any, Literal

from pydantic import BaseModel, Field, RootModel, field_validator

from services.api.inputs import Text
from shared.identifiers import DeviceId, ProfileName, is_device_id
from shared.profiles import DEFAULT_PROFILE
from shared.readings import Value


class NamedDevice(BaseModel):
    """A device to add. One that registered itself by publishing gets this name and is then claimed."""

    device_id: DeviceId = Field(min_length=1, examples=["test_device"])
    name: Text = Field(min_length=1, max_length=255, examples=["Test Sensor"])
    profile: ProfileName = Field(DEFAULT_PROFILE, description="What it measures: environment, knee, open or your own.")

    @field_validator("device_id", mode="before")
    @classmethod
    def _said_plainly(cls, device_id: Any) -> Any:
        if isinstance(device_id, str) and device_id and not is_device_id(device_id):
            raise ValueError("1 to 128 letters, digits and . _ : - only, the first one a letter or a digit")
        return device_id


class Added(BaseModel):
    message: str = "Device added successfully"


class ListedDevice(BaseModel):
    """A device with its newest values; null for the three seed metrics that it has not sent."""

    id: int
    device_id: str
    name: str
    status: Literal["online", "offline"]
    last_seen: str | None = Field(description="When its newest data arrived, ISO 8601 UTC.")
    temperature: Value | None
    humidity: Value | None
    pressure: Value | None
    values: dict[str, Value] = Field(description="Every metric that it ever sent: the newest value.")
    measurement: str
    profile: str
    units: dict[str, str] = Field(description="Units of the metrics that its profile declares.")
    claimed: bool = Field(description="false: it registered itself by publishing, and nobody has named it yet.")


class ListedDevices(RootModel[list[ListedDevice]]):
    """All devices of the caller."""
