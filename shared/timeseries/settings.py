"""Where readings are kept: in InfluxDB if a URL is given, else in a file."""

from pathlib import Path

from pydantic import Field, FilePath, SecretStr, ValidationInfo, field_validator

from shared.settings import ServiceSettings, alias, check_authority, read_secret


class StoreSettings(ServiceSettings):
    """What every service that writes or reads readings must agree on; see docs/settings.md."""

    influxdb_url: str = Field(
        "",
        validation_alias=alias("influxdb_url", "INFLUXDB_URL"),
        description="InfluxDB 1.x, 2.x or 3.x. Empty: SQLite in the data directory.",
    )
    influxdb_token: SecretStr = Field(
        SecretStr(""),
        validation_alias=alias("influxdb_token", "INFLUXDB_TOKEN"),
        description="A token that may write and read the bucket. On 1.x: `user:password`, or empty.",
    )
    influxdb_token_file: Path | None = Field(None, description="A file that holds the token.")
    influxdb_org: str = Field(
        "", validation_alias=alias("influxdb_org", "INFLUXDB_ORG"), description="The organization, on 2.x."
    )
    influxdb_bucket: str = Field(
        "telemetrio",
        min_length=1,
        validation_alias=alias("influxdb_bucket", "INFLUXDB_BUCKET"),
        description="The bucket; on 1.x the database.",
    )
    influxdb_bucket_per_user: bool = Field(
        default=False, description="A bucket for each user, `{bucket}_{user id}`; each must exist."
    )
    influxdb_ca_file: FilePath | None = Field(
        None, description="Who may sign InfluxDB's certificate. Empty: whom the system trusts."
    )

    @field_validator("influxdb_url")
    @classmethod
    def _http(cls, url: str) -> str:
        scheme, found, host = url.partition("://")
        if url and (scheme not in ("http", "https") or not found or not host):
            raise ValueError("this is no URL of InfluxDB: write it as http://localhost:8086")
        return url.rstrip("/")

    @field_validator("influxdb_token_file")
    @classmethod
    def _the_only_token(cls, file: Path | None, given: ValidationInfo) -> Path | None:
        token = given.data.get("influxdb_token")
        if file is not None and token is not None and token.get_secret_value():
            raise ValueError("a token is given twice: leave this out, or TELEMETRIO_INFLUXDB_TOKEN")
        if file is not None:
            read_secret(file)  # a wrong one is found before anything is opened
        return file

    @field_validator("influxdb_bucket_per_user")
    @classmethod
    def _of_a_server(cls, wanted: bool, given: ValidationInfo) -> bool:  # noqa: FBT001 - as pydantic calls it
        if wanted and given.data.get("influxdb_url") == "":
            raise ValueError("without InfluxDB there are no buckets: set TELEMETRIO_INFLUXDB_URL, or leave this out")
        return wanted

    @field_validator("influxdb_ca_file")
    @classmethod
    def _authority(cls, file: Path | None, given: ValidationInfo) -> Path | None:
        if file is None:
            return None
        if str(given.data.get("influxdb_url")).startswith("http://"):
            raise ValueError("it is for https://, and TELEMETRIO_INFLUXDB_URL is http://")
        check_authority(file)
        return file

    @property
    def token(self) -> str:
        """The token itself, from wherever it was given."""
        if self.influxdb_token_file is not None:
            return read_secret(self.influxdb_token_file)
        return self.influxdb_token.get_secret_value()
