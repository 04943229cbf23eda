"""What the api can be told from outside."""

from pydantic import Field

from shared.settings import WebSettings


class ApiSettings(WebSettings):
    """Read by `telemetrio up` and `telemetrio api`; see docs/settings.md."""

    offline_after_s: float = Field(300.0, gt=0, description="A device that said nothing for so long counts as offline.")
    max_points_scanned: int = Field(
        1_000_000, ge=1, description="Values that one request, or one page of an answer, may read."
    )
    max_body_kib: int = Field(1024, ge=1, description="Largest request body; imports have a limit of their own.")
    registration: bool = Field(default=False, description="Whether strangers may make themselves an account.")
    session_days: float = Field(30.0, gt=0, le=365, description="After so long one must log in again.")
    requests_per_s: float = Field(20.0, gt=0, description="What one caller may ask of one route, for ever.")
    request_burst: int = Field(100, ge=1, description="So many requests to one route at once are within the rate.")
    logins_per_min: float = Field(
        10.0, gt=0, description="Wrong passwords for one account; from one address three times as many."
    )
    max_bulk_mib: int = Field(8, ge=1, le=1024, description="Largest CSV file of devices.")
    max_ahead_s: float = Field(300.0, ge=0, description="Readings further in the future than this are refused.")
