"""Where the system is that a command asks, and as whom."""

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.settings import PREFIX, read_secret


class RemoteSettings(BaseSettings):
    """Read by `export`, `import` and `deadletters`, and for its key by `doctor`; see docs/settings.md."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    url: str = Field("http://127.0.0.1:5000", description="The system that is asked, as a browser would.")
    api_key: SecretStr = Field(SecretStr(""), description="An API key; none is needed where everybody is admin.")
    api_key_file: Path | None = Field(None, description="A file that holds the key instead.")

    @field_validator("url")
    @classmethod
    def _http(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or (parts.port or 1) < 1:
            raise ValueError("this is no address: write it as http://localhost:5000")
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError("leave out what stands behind the host: write it as http://localhost:5000")
        return f"{parts.scheme}://{parts.netloc}"

    @field_validator("api_key_file")
    @classmethod
    def _the_only_key(cls, file: Path | None, given: ValidationInfo) -> Path | None:
        if file is not None and given.data["api_key"].get_secret_value():
            raise ValueError("a key is given twice: leave this out, or TELEMETRIO_API_KEY")
        if file is not None:
            read_secret(file)
        return file

    @property
    def key(self) -> str:
        """The key from wherever it was given; empty: from nowhere."""
        return self.api_key.get_secret_value() if self.api_key_file is None else read_secret(self.api_key_file)
