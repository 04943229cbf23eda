"""create_app: how the API is put together, on one page. It opens nothing: what it works with is handed to it."""

from quart import Quart

from services.api import door, heavy, pages, probes
from services.api.accounts import routes as accounts
from services.api.analytics import routes as analytics
from services.api.apikeys import routes as apikeys
from services.api.audit import routes as audit
from services.api.brokerauth import routes as brokerauth
from services.api.bulk import routes as bulk
from services.api.compat import routes as compat
from services.api.credentials import routes as credentials
from services.api.database import refuse_without_tables
from services.api.deadletters import routes as deadletters
from services.api.devices import routes as devices
from services.api.encoding import OrjsonProvider
from services.api.errors import register_errors
from services.api.ingest import routes as ingest
from services.api.inputs import Digits, OneDevice
from services.api.items import routes as items
from services.api.limits import request_with_limits
from services.api.live import routes as live
from services.api.mobile import routes as mobile
from services.api.openapi import describe
from services.api.orders import routes as orders
from services.api.people import routes as people
from services.api.profiles import routes as profiles
from services.api.readings import routes as readings
from services.api.resources import KEY, Resources
from services.api.sessions import routes as sessions
from services.api.streaming import stream_bodies
from services.api.transfer import routes as transfer
from services.api.users import routes as users


def create_app(given: Resources) -> Quart:
    """All routes, ready to be served behind shared.gate.Gate."""
    app = Quart("telemetrio", static_folder=None, template_folder=None)
    furnish(app, given)
    app.url_map.strict_slashes = False
    app.url_map.converters["digits"] = Digits
    app.url_map.converters["device"] = OneDevice
    describe(app, given.version, guarded=given.settings.auth == "required")
    app.json = OrjsonProvider(app)
    register_errors(app)
    app.before_request(refuse_without_tables)
    stream_bodies(app, transfer.IMPORT_PATH)
    for part in (
        probes,
        compat,
        readings,
        ingest,
        deadletters,
        items,
        accounts,
        sessions,
        users,
        apikeys,
        audit,
        live,
        devices,
        bulk,
        credentials,
        brokerauth,
        profiles,
        orders,
        people,
        mobile,
        analytics,
        transfer,
        pages,
    ):
        app.register_blueprint(part.routes)
    return app


def furnish(app: Quart, given: Resources) -> None:
    """What the routes work with, in place of what they worked with before; only `auth` and the version stay."""
    app.extensions[KEY] = given
    app.extensions[door.KEY] = door.make_door(given.settings, given.secret)
    app.extensions[heavy.KEY] = heavy.Heavy(given.settings.max_heavy_requests)
    app.config["MAX_CONTENT_LENGTH"] = given.settings.max_body_kib * 1024
    app.request_class = request_with_limits({bulk.PATH: given.settings.max_bulk_mib * 1024 * 1024})
