"""Is it alive, is it ready: for people, load balancers and supervisors. Public, and cheap to ask."""

from typing import Literal, cast

from pydantic import BaseModel, Field
from quart import Blueprint, Response, request
from quart_schema import document_response, tag

from services.api.auth import public
from services.api.database import DATABASE_AWAY
from services.api.door import door
from services.api.encoding import reply
from services.api.identity import is_admin
from services.api.resources import resources
from shared.gate import Scope, is_local
from shared.health import State
from shared.healthpages import told

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
    detail: str = Field(description="What is the matter; empty for callers from elsewhere but administrators.")
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
    shown = {"auth": own.auth, "registration": own.registration, "mqtt_port": given.mqtt_port}
    return reply({"version": given.version, **shown})


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
    """Each dependency by name, with its state and since when; 503 while a needed one is down.

    `detail` is told to programs on the same machine and to administrators: it names hosts, users and tables.
    """
    board = resources().health
    dependencies = told(board, told_why=await _may_know())
    return reply({"ready": board.ready, "dependencies": dependencies}, 200 if board.ready else 503)


async def _may_know() -> bool:
    here, scope = door(), cast("Scope", request.scope)
    if here.open or is_local(scope):
        return True
    try:
        return await is_admin(scope, here, resources().engine)
    except DATABASE_AWAY:  # who asks can't be looked up: that is what this answer is about
        return False
