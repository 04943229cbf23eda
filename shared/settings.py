"""The settings that more than one service reads, and how every setting is read, checked and refused.

Each service has one frozen class of its own beside its `__main__`; the environment names are `TELEMETRIO_` + the
field's name. docs/settings.md lists them all, and a test keeps it so.
"""

import os
import ssl
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import AliasChoices, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy import make_url

from shared.gate import host_name
from shared.process import ExitCode, Refusal

PREFIX: Final = "TELEMETRIO_"

# A list in the environment: comma-separated, blanks around the commas allowed.
CommaSeparated = Annotated[tuple[str, ...], NoDecode]

S = TypeVar("S", bound=BaseSettings)


def alias(name: str, *seeds: str) -> AliasChoices:
    """The environment names of a field that the seeds call by a name of their own: ours wins."""
    return AliasChoices(f"{PREFIX}{name.upper()}", name, *seeds)


def split_commas(value: Any) -> Any:
    """A validator for CommaSeparated fields."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


class ServiceSettings(BaseSettings):
    """What every process reads."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
    )

    data_dir: Path = Field(Path("data"), description="Where files live that must survive a restart.")
    database_url: str = Field(
        "", validation_alias=alias("database_url", "DATABASE_URL"), description="Empty: SQLite in the data directory."
    )
    database_password_file: Path | None = Field(None, description="Holds the database's password, in place of the URL.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="What is worth a line.")
    log_format: Literal["auto", "console", "json"] = Field("auto", description="`auto`: JSON unless on a terminal.")
    drain_s: float = Field(3.0, gt=0, le=60, description="How long open streams are given to end when it stops.")

    @field_validator("database_url")
    @classmethod
    def _async_driver(cls, url: str) -> str:
        return _rewrite_database_url(url)

    @field_validator("database_password_file")
    @classmethod
    def _password_of_a_server(cls, file: Path | None, given: ValidationInfo) -> Path | None:
        if file is None:
            return None
        url = str(given.data.get("database_url", ""))
        if not url.startswith("postgresql"):
            raise ValueError("a file needs no password: set TELEMETRIO_DATABASE_URL to a PostgreSQL, or leave this out")
        if make_url(url).password:
            raise ValueError("a password is given twice: leave this out, or take it out of TELEMETRIO_DATABASE_URL")
        read_secret(file)  # a wrong one is found before anything is opened
        return file

    @property
    def database(self) -> str:
        """The URL to open: `database_url` with its password, or the SQLite file of the data directory."""
        if self.database_password_file is not None:
            whole = make_url(self.database_url).set(password=read_secret(self.database_password_file))
            return whole.render_as_string(hide_password=False)
        return self.database_url or f"sqlite+aiosqlite:///{(self.data_dir / 'telemetrio.db').absolute()}"


class WebSettings(ServiceSettings):
    """What both services that browsers talk to must agree on."""

    allowed_hosts: CommaSeparated = Field(
        ("localhost", "127.0.0.1", "[::1]"), description="Host names this server answers to (against DNS rebinding)."
    )
    cors_origins: CommaSeparated = Field(
        tuple(f"http://localhost:{port}" for port in range(5173, 5178)),
        validation_alias=alias("cors_origins", "CORS_ORIGINS"),
        description="Other origins whose pages may use the API and the live streams.",
    )
    auth: Literal["open", "required"] = Field("open", description="`open`: every caller is the local admin.")
    secret_key: SecretStr = Field(
        SecretStr(""),
        validation_alias=alias("secret_key", "SECRET_KEY"),
        description="What everything that is signed depends on; the same for every service.",
    )
    secret_key_file: Path | None = Field(None, description="A file that holds the secret key.")
    trusted_hops: int = Field(0, ge=0, le=10, description="How many proxies of ours stand before this server.")

    _split = field_validator("allowed_hosts", "cors_origins", mode="before")(split_commas)

    @field_validator("allowed_hosts")
    @classmethod
    def _names(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            if host_name(host) is None:
                raise ValueError(f"{host!r} is no host name: write it as example.org, 192.0.2.1 or [2001:db8::1]")
        return hosts

    @field_validator("secret_key_file")
    @classmethod
    def _the_only_secret(cls, file: Path | None, given: ValidationInfo) -> Path | None:
        if file is not None and given.data["secret_key"].get_secret_value():
            raise ValueError("a secret is given twice: leave this out, or TELEMETRIO_SECRET_KEY")
        if file is not None:
            read_secret(file)  # a wrong one is found before anything is opened
        return file

    @property
    def secret(self) -> str:
        """The secret key from wherever it was given; empty: from nowhere."""
        if self.secret_key_file is not None:
            return read_secret(self.secret_key_file)
        return self.secret_key.get_secret_value()

    @field_validator("cors_origins")
    @classmethod
    def _whole_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not origin.startswith(("http://", "https://")) or origin.count("/") != 2:
                raise ValueError(f"{origin!r} is no origin: write it as http://localhost:5173, without a path")
        return origins


def read_secret(file: Path) -> str:
    """Raises ValueError in a sentence that an operator can act on."""
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} can't be read: {error}") from error


def check_authority(file: Path) -> None:
    """Raises ValueError where no certificate can be checked by what is in it."""
    try:
        ssl.create_default_context(cafile=file)
    except OSError as error:
        raise ValueError(f"{file} holds no certificate in PEM: {error}") from error


def _rewrite_database_url(url: str) -> str:
    mend = "use postgresql://user:password@host/database, or leave it empty"
    scheme, _, rest = url.partition("://")
    match scheme:
        case "":
            return ""
        case "sqlite" | "sqlite+aiosqlite":
            return f"sqlite+aiosqlite://{rest}"
        case "postgres" | "postgresql" | "postgresql+asyncpg":
            return f"postgresql+asyncpg://{rest}"
        case "mysql" | "mysql+pymysql" | "mariadb":
            raise ValueError(f"MySQL is not supported: {mend}")
        case _:
            raise ValueError(
                f"{scheme}:// is not known: use postgresql://user:password@host/database, or leave it empty"
            )


def read_settings(cls: type[S], **given: Any) -> S:
    """Read a settings class from the environment and `.env`; `given` (flags of the command line) win.

    Raises Refusal (exit code 2) that names each wrong setting as the operator wrote it, and what is wrong with it.
    """
    try:
        return cls(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        lines = [_sentence(cls, seen) for seen in error.errors(include_url=False, include_input=False)]
        raise Refusal("\n".join(lines), ExitCode.WRONG_SETTINGS) from error


def _written(cls: type[BaseSettings], name: str) -> str:
    """The name by which the environment gave it: pydantic tells the first of several."""
    for field in cls.model_fields.values():
        if isinstance(field.validation_alias, AliasChoices) and name in field.validation_alias.choices:
            return next((str(each) for each in field.validation_alias.choices if each in os.environ), name)
    return name


def _sentence(cls: type[BaseSettings], seen: Any) -> str:
    name = _written(cls, str(seen["loc"][0]) if seen["loc"] else cls.__name__)
    name = name if name.isupper() else f"{PREFIX}{name.upper()}"
    message = seen["msg"].removeprefix("Value error, ")
    return f"{name}: {message}"
