"""What realtime can be told from outside."""

from pydantic import Field

from shared.reach import ReachSettings
from shared.settings import WebSettings


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
    connections_per_user: int = Field(100, ge=1, description="Live connections of one user; none in open mode.")
    subscribes_per_min: int = Field(240, ge=1, description="Subscribe messages of one connection in a minute.")
    newcomers_per_s: float = Field(500.0, ge=1, description="New live connections of this process in a second.")


class ProcessSettings(ReachSettings):
    """Read by `telemetrio realtime` alone: where it listens; see docs/settings.md."""

    port: int = Field(5001, ge=0, le=65535, description="The port of the live streams, and of health and metrics.")
    metrics_host: str = Field("127.0.0.1", description="Where it answers for its health, with figures, beside the web.")
    metrics_port: int = Field(9465, ge=0, le=65535, description="The port of that.")
