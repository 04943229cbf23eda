"""What the api can be told from outside."""

from typing import Final

from pydantic import Field, FilePath, SecretStr, field_validator

from shared.settings import ServiceSettings, WebSettings

_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class ApiSettings(WebSettings):
    """Read by `telemetrio up` and `telemetrio api`; see docs/settings.md."""

    offline_after_s: float = Field(300.0, gt=0, description="A device that said nothing for so long counts as offline.")
    max_body_kib: int = Field(1024, ge=1, description="Largest request body; imports have a limit of their own.")


class ProcessSettings(ServiceSettings):
    """Read by `telemetrio api` alone: where it listens, and how long it waits; see docs/settings.md."""

    host: str = Field("127.0.0.1", description="Where it listens. `localhost`: 127.0.0.1 and ::1.")
    port: int = Field(5000, ge=0, le=65535, description="The port of the web.")
    metrics_host: str = Field("127.0.0.1", description="Where `telemetrio api` answers for its health, with figures.")
    metrics_port: int = Field(9464, ge=0, le=65535, description="The port of that.")
    database_timeout_s: float = Field(15.0, gt=0, le=600, description="What one question to PostgreSQL may take.")

    @field_validator("host")
    @classmethod
    def _loopback_only(cls, host: str) -> str:
        if host.strip("[]") not in _LOOPBACK:
            raise ValueError(
                f"{host} is not a loopback address. Without accounts everybody who reaches this port would be admin: "
                "leave it at 127.0.0.1, with a proxy that lets in whom you know"
            )
        return host.strip("[]")

    @property
    def hosts(self) -> tuple[str, ...]:
        return ("127.0.0.1", "::1") if self.host == "localhost" else (self.host,)


class BucketSettings(ServiceSettings):
    """Of whoever makes buckets of InfluxDB: never of ingest, which faces devices and must hold no operator's token."""

    influxdb_operator_token: SecretStr = Field(
        SecretStr(""), description="A token that may make buckets. Empty: the one that reads and writes."
    )
    influxdb_operator_token_file: FilePath | None = Field(None, description="A file that holds it instead.")
    influxdb_retention_days: int = Field(
        0, ge=0, le=36_500, description="How long InfluxDB keeps readings. 0: whatever its buckets say."
    )

    @property
    def operator_token(self) -> str:
        """The token itself, from wherever it was given."""
        if self.influxdb_operator_token_file is not None:
            return self.influxdb_operator_token_file.read_text().strip()
        return self.influxdb_operator_token.get_secret_value()
