"""What realtime can be told from outside."""

from typing import Final

from pydantic import Field, field_validator

from shared.settings import ServiceSettings, WebSettings

_LOOPBACK: Final = ("127.0.0.1", "::1")


class RealtimeSettings(WebSettings):
    """Read by `telemetrio up` and `telemetrio realtime`; see docs/settings.md."""

    coalesce_ms: float = Field(50.0, ge=0, le=1000, description="At most one frame per client in this time.")
    heartbeat_s: float = Field(20.0, gt=0, description="A client that heard nothing for this long gets a heartbeat.")
    mailbox_kib: int = Field(1024, ge=16, description="What may wait for one slow client before it is conflated.")
    ring_s: float = Field(120.0, ge=1, le=3600, description="Who comes back within this time costs the store nothing.")
    ring_mib: int = Field(64, ge=1, description="What is kept for that, also of what is yet to be stored.")
    max_replay_points: int = Field(50_000, ge=1, description="Readings that one resume may bring; above it: HTTP.")
    replay_timeout_s: float = Field(20.0, gt=0, description="A store that takes longer is given up for this resume.")
    socketio_rate: int = Field(250, ge=1, description="Readings a second to one Socket.IO client; more are conflated.")


class ProcessSettings(ServiceSettings):
    """Read by `telemetrio realtime` alone: where it listens."""

    host: str = Field("127.0.0.1", description="Where it listens.")
    port: int = Field(5001, ge=0, le=65535, description="The port of the live streams, and of health and metrics.")

    @field_validator("host")
    @classmethod
    def _loopback_only(cls, host: str) -> str:
        if host.strip("[]") not in _LOOPBACK:
            raise ValueError(
                f"{host} is not a loopback address. Without accounts everybody who reaches this port would see all "
                "devices: leave it at 127.0.0.1, with a proxy that lets in whom you know"
            )
        return host.strip("[]")
