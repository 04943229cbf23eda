"""The built dashboard and Swagger UI, from our own files under a strict content security policy: nothing from a CDN."""

from errno import ENAMETOOLONG
from typing import Final

from quart import Blueprint, Response, send_from_directory
from quart_schema import hide

from services.api.auth import public
from services.api.encoding import reply
from services.api.errors import NotFound
from services.api.openapi import description
from services.api.resources import resources

routes = Blueprint("pages", __name__)

POLICY: Final = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_FOREVER: Final = "public, max-age=31536000, immutable"
_NOT_BUILT: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>telemetrio</title>
<style>
  body { font: 1.1rem/1.6 system-ui, sans-serif; max-width: 34rem; margin: 15vh auto; padding: 0 1.5rem; }
  code { background: #8882; padding: .1em .4em; border-radius: .3em; }
  :root { color-scheme: light dark; }
</style>
<h1>The dashboard is not built yet</h1>
<p>Everything else works. <code>scripts/run</code> builds the dashboard and starts again.</p>
<p>Until then: the devices are at <a href="/api/devices">/api/devices</a>,
the description of the API at <a href="/openapi.json">/openapi.json</a>.</p>
</html>
"""


@routes.get("/")
@public
@hide
async def dashboard() -> Response:
    return await _page("index.html")


@routes.get("/docs")
@public
@hide
async def docs() -> Response:
    return await _page("swagger/index.html")


@routes.get("/openapi.json")
@public
@hide
async def openapi() -> Response:
    return reply(description())


@routes.get("/assets/<path:name>")
@public
@hide
async def asset(name: str) -> Response:
    """A file whose name carries the hash of its content: it never changes."""
    return await _file(f"assets/{name}", _FOREVER)


@routes.get("/swagger/<path:name>")
@public
@hide
async def swagger(name: str) -> Response:
    return await _file(f"swagger/{name}", "no-cache")


@routes.get("/<name>.<any(css, ico, js, png, svg, txt, webmanifest):kind>")
@public
@hide
async def top_file(name: str, kind: str) -> Response:
    return await _file(f"{name}.{kind}", "no-cache")


async def _page(name: str) -> Response:
    if (resources().web_dir / name).is_file():
        return await _file(name, "no-cache")
    return _protected(Response(_NOT_BUILT, status=503, content_type="text/html; charset=utf-8"), "no-store")


async def _file(name: str, caching: str) -> Response:
    try:
        return _protected(await send_from_directory(resources().web_dir, name), caching)
    except OSError as error:
        if error.errno == ENAMETOOLONG:  # no file has such a name
            raise NotFound("There is no such page here", "not_found") from error
        raise


def _protected(response: Response, caching: str) -> Response:
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Cache-Control"] = caching
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
