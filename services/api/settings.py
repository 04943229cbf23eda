"""What the api can be told from outside."""

from pathlib import Path
from typing import Literal

from pydantic import Field, FilePath, SecretStr, ValidationInfo, field_validator

from shared.reach import ReachSettings
from shared.secretkey import weakness
from shared.settings import CommaSeparated, ServiceSettings, WebSettings, alias, read_secret, split_commas
from shared.topics import DEVICE_PREFIX, check_prefix


class ApiSettings(WebSettings):
    """Read by `telemetrio up` and `telemetrio api`; see docs/settings.md."""

    offline_after_s: float = Field(300.0, gt=0, description="A device that said nothing for so long counts as offline.")
    max_points_scanned: int = Field(
        1_000_000, ge=1, description="Values that one request, or one page of an answer, may read."
    )
    max_heavy_requests: int = Field(
        4, ge=1, le=1_000, description="Analytics, summaries and questions about many devices answered at once."
    )
    max_body_kib: int = Field(1024, ge=1, description="Largest request body, but for files of devices and of readings.")
    registration: bool = Field(default=False, description="Whether strangers may make themselves an account.")
    session_days: float = Field(30.0, gt=0, le=365, description="After so long one must log in again.")
    requests_per_s: float = Field(20.0, gt=0, description="What one caller may ask of one route, for ever.")
    request_burst: int = Field(100, ge=1, description="So many requests to one route at once are within the rate.")
    logins_per_min: float = Field(
        10.0, gt=0, description="Wrong passwords for one account; from one address three times as many."
    )
    max_bulk_mib: int = Field(8, ge=1, le=1024, description="Largest CSV file of devices.")
    max_ahead_s: float = Field(300.0, ge=0, description="Readings further in the future than this are refused.")
    database_timeout_s: float = Field(15.0, gt=0, le=600, description="What one question to PostgreSQL may take.")


class ProcessSettings(ReachSettings):
    """Read by `telemetrio api` alone: where it listens, and how long it waits; see docs/settings.md."""

    port: int = Field(5000, ge=0, le=65535, description="The port of the web.")
    metrics_host: str = Field("127.0.0.1", description="Where `telemetrio api` answers for its health, with figures.")
    metrics_port: int = Field(9464, ge=0, le=65535, description="The port of that.")


class AdmissionSettings(ServiceSettings):
    """Read by `telemetrio api` alone: how the broker comes to know the devices' credentials."""

    broker_auth: Literal["none", "dynsec", "http"] = Field(
        "none", description="`dynsec`: Mosquitto is told. `http`: EMQX asks. `none`: neither."
    )
    broker_auth_secret_file: Path | None = Field(
        None, validate_default=True, description="Holds what a broker that asks proves itself with."
    )
    device_prefixes: CommaSeparated = Field(
        (DEVICE_PREFIX,),
        validation_alias=alias("device_prefixes", "TELEMETRIO_DEVICE_PREFIX"),
        min_length=1,
        description="What devices' topics begin with, of every worker.",
    )

    _split = field_validator("device_prefixes", mode="before")(split_commas)

    @field_validator("device_prefixes")
    @classmethod
    def _prefixes(cls, prefixes: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(check_prefix(prefix) for prefix in prefixes)

    @field_validator("broker_auth_secret_file")
    @classmethod
    def _proof(cls, file: Path | None, given: ValidationInfo) -> Path | None:
        if given.data.get("broker_auth") == "http":
            if file is None:
                raise ValueError("TELEMETRIO_BROKER_AUTH=http needs a file with what the broker proves itself with")
            flaw = weakness(read_secret(file))
            if flaw is not None:
                raise ValueError(f"in {file}: {flaw}")
        return file

    @property
    def proof(self) -> str:
        """What a broker that asks must show; empty: none may ask."""
        file = self.broker_auth_secret_file
        return read_secret(file) if self.broker_auth == "http" and file is not None else ""


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
