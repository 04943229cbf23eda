"""What the api can be told from outside."""

from pydantic import Field

from shared.settings import WebSettings


class ApiSettings(WebSettings):
    """Read by `telemetrio up` and `telemetrio api`; see docs/settings.md."""

    offline_after_s: float = Field(300.0, gt=0, description="A device that said nothing for so long counts as offline.")
    max_points_scanned: int = Field(1_000_000, ge=1, description="Values that one page of an answer may read.")
    max_body_kib: int = Field(1024, ge=1, description="Largest request body; imports have a limit of their own.")
