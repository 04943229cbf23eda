"""What the api can be told from outside."""

from pydantic import Field

from shared.settings import WebSettings


class ApiSettings(WebSettings):
    """Read by `telemetrio up` and `telemetrio api`; see docs/settings.md."""

    offline_after_s: float = Field(300.0, gt=0, description="A device that said nothing for so long counts as offline.")
    max_body_kib: int = Field(1024, ge=1, description="Largest request body; imports have a limit of their own.")
    max_ahead_s: float = Field(300.0, ge=0, description="Readings further in the future than this are refused.")
