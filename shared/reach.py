"""Where a web server listens, who can reach it there, and what that asks of its settings."""

from typing import Final

from pydantic import Field, ValidationInfo, field_validator

from shared.process import ExitCode, Refusal
from shared.secretkey import weakness
from shared.settings import WebSettings

LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class ReachSettings(WebSettings):
    """Of a process that serves the web: loopback alone, unless everybody must say who they are."""

    host: str = Field("localhost", description="Where it listens. `localhost`: 127.0.0.1 and ::1.")

    @field_validator("host")
    @classmethod
    def _loopback_only(cls, host: str, given: ValidationInfo) -> str:
        if host.strip("[]") not in LOOPBACK and given.data.get("auth") != "required":
            raise ValueError(
                f"{host} is not a loopback address. Without accounts everybody who reaches this port would be admin: "
                "set TELEMETRIO_AUTH=required, or leave it at localhost, and reach it from elsewhere by "
                "`ssh -L 5000:localhost:5000`"
            )
        return host.strip("[]")

    @property
    def hosts(self) -> tuple[str, ...]:
        return LOOPBACK[1:] if self.host == "localhost" else (self.host,)

    @property
    def exposed(self) -> bool:
        """Whether others than the people of this machine can reach it, by itself or through a proxy."""
        elsewhere = {name.strip("[]") for name in self.allowed_hosts} - {*LOOPBACK}
        return self.host not in LOOPBACK or self.trusted_hops > 0 or bool(elsewhere)


def refuse_exposed(settings: ReachSettings) -> None:
    """Raise Refusal where others come and nobody asks who they are, or by a secret that they can guess."""
    if settings.exposed and settings.auth == "open":
        message = (
            "TELEMETRIO_AUTH: with a proxy, or a name that others know it by, everybody would be admin: set required"
        )
        raise Refusal(message, ExitCode.WRONG_SETTINGS)
    refuse_weak_secret(settings)


def refuse_weak_secret(settings: ReachSettings) -> None:
    """Raise Refusal for a secret that others could guess, where others can reach it."""
    flaw = weakness(settings.secret) if settings.secret and settings.exposed else None
    if flaw is not None:
        raise Refusal(f"TELEMETRIO_SECRET_KEY: {flaw}", ExitCode.WRONG_SETTINGS)
