"""create_app: how the API is put together, on one page. It opens nothing: what it works with is handed to it."""

from quart import Quart

from services.api import pages, probes
from services.api.compat import routes as compat
from services.api.database import refuse_without_tables
from services.api.deadletters import routes as deadletters
from services.api.encoding import OrjsonProvider
from services.api.errors import register_errors
from services.api.ingest import routes as ingest
from services.api.items import routes as items
from services.api.openapi import describe
from services.api.readings import routes as readings
from services.api.resources import KEY, Resources


def create_app(given: Resources) -> Quart:
    """All routes, ready to be served behind shared.gate.Gate."""
    app = Quart("telemetrio", static_folder=None, template_folder=None)
    app.extensions[KEY] = given
    app.config["MAX_CONTENT_LENGTH"] = given.settings.max_body_kib * 1024
    app.url_map.strict_slashes = False
    describe(app, given.version)
    app.json = OrjsonProvider(app)
    register_errors(app)
    app.before_request(refuse_without_tables)
    for part in (probes, compat, readings, ingest, deadletters, items, pages):
        app.register_blueprint(part.routes)
    return app
