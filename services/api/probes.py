"""Is it alive, is it ready: for people, load balancers and supervisors. Public, and cheap to ask."""

from typing import Literal

from pydantic import BaseModel, Field
from quart import Blueprint, Response
from quart_schema import document_response, tag

from services.api.auth import public
from services.api.encoding import reply
from services.api.resources import resources
from shared.health import State
from shared.times import iso_ns

routes = Blueprint("probes", __name__)


class Healthy(BaseModel):
    status: str = "healthy"
    version: str


class About(BaseModel):
    """What a page must know of the server before it knows anybody."""

    version: str
    auth: Literal["open", "required"] = Field(description="`open`: every caller is the local admin.")
    registration: bool = Field(description="Whether one may make oneself an account.")
    mqtt_port: int | None = Field(description="Where devices publish, if the broker is in this process.")


class Alive(BaseModel):
    """The event loop turns; nothing else is asked."""

    status: str = "alive"


class Dependency(BaseModel):
    state: State
    since: str
    detail: str
    needed: bool = Field(description="Without it this process can't do its job.")


class Ready(BaseModel):
    ready: bool
    dependencies: dict[str, Dependency]


@routes.get("/api/v1/health")
@public
@tag(["health"])
@document_response(Healthy)
async def health() -> Response:
    """That it runs, and which version."""
    return reply({"status": "healthy", "version": resources().version})


@routes.get("/api/v1/about")
@public
@tag(["health"])
@document_response(About)
async def about() -> Response:
    """Version, whether one must log in, and where devices publish."""
    given = resources()
    own = given.settings
    told = {"auth": own.auth, "registration": own.registration, "mqtt_port": given.mqtt_port}
    return reply({"version": given.version, **told})


@routes.get("/healthz")
@public
@tag(["health"])
@document_response(Alive)
async def healthz() -> Response:
    """That the event loop turns."""
    return reply({"status": "alive"})


@routes.get("/readyz")
@public
@tag(["health"])
@document_response(Ready)
@document_response(Ready, 503)
async def readyz() -> Response:
    """Each dependency by name, with its state and since when; 503 while a needed one is down."""
    board = resources().health
    told = {name: {**seen._asdict(), "since": iso_ns(seen.since_ns)} for name, seen in sorted(board.snapshot().items())}
    for seen in told.values():
        del seen["since_ns"]
    return reply({"ready": board.ready, "dependencies": told}, 200 if board.ready else 503)
