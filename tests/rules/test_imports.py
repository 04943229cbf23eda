"""Who may import whom: what keeps three services and one set of shared schemas from growing together."""

import ast
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.rules.tree import ROOT, imports, imports_of, modules, python_files, shown, within

# Values in, values out. asyncio's primitives are fine; a file, a socket or a database is not.
PURE: Final = (
    "shared.books",
    "shared.identifiers",
    "shared.payloads",
    "shared.presence",
    "shared.profiles",
    "shared.readings",
    "shared.signed",
    "shared.senml",
    "shared.strictjson",
    "shared.times",
    "shared.tickets",
    "shared.topics",
    "shared.values",
    "shared.timeseries.body",
    "shared.timeseries.bucketnames",
    "shared.timeseries.calendar",
    "shared.timeseries.fields",
    "shared.timeseries.holdingsql",
    "shared.timeseries.influxql",
    "shared.timeseries.late",
    "shared.timeseries.lineprotocol",
    "services.api.accounts.tokens",
    "services.api.addresses",
    "services.api.caller",
    "services.api.credentials.usernames",
    "services.api.dynsec.commands",
    "services.api.ratelimit",
    "services.api.analytics.figures",
    "services.api.analytics.knee",
    "services.api.analytics.recording",
    "services.api.analytics.report",
    "services.api.analytics.windows",
    "services.api.mobile.today",
    "shared.timeseries.windowql",
    "services.api.readings.downsample",
    "services.api.readings.fill",
    "services.api.readings.plan",
    "services.ingest.ratelimit",
    "services.realtime.conflation",
    "services.realtime.cursor",
    "services.realtime.heard",
    "services.realtime.hub",
    "services.realtime.mailbox",
    "services.realtime.protocol",
    "services.realtime.received",
    "services.realtime.resume",
    "services.realtime.ring",
    "services.realtime.selection",
)
STARTED: Final = ("telemetrio.up", *(f"services.{name}.__main__" for name in ("api", "ingest", "realtime")))
# fmt: off -- one to a line would be a page of them
INPUT_OUTPUT: Final = frozenset(
    {
        "aiohttp",
        "aiomqtt",
        "aiosqlite",
        "alembic",
        "amqtt",
        "asyncpg",
        "engineio",
        "fcntl",
        "http",
        "hypercorn",
        "influxdb_client",
        "mmap",
        "mqtt5",
        "os",
        "paho",
        "pathlib",
        "quart",
        "quart_schema",
        "requests",
        "select",
        "selectors",
        "shutil",
        "signal",
        "socket",
        "socketio",
        "socketserver",
        "sqlalchemy",
        "sqlite3",
        "ssl",
        "subprocess",
        "tempfile",
        "threading",
        "urllib",
        "uvloop",
        "websockets",
    }
)
# fmt: on


def foreign(name: str, imported: set[str]) -> set[str]:
    """What module `name` imports and may not."""
    if within(name, "shared"):
        return {module for module in imported if within(module, "services") or within(module, "telemetrio")}
    if not name.startswith("services."):
        return set()
    own = ".".join(name.split(".")[:2])
    strange = {module for module in imported if module.startswith("services.") and not within(module, own)}
    return strange | {module for module in imported if within(module, "telemetrio")}


def reached(name: str, graph: dict[str, set[str]]) -> set[str]:
    """Everything imported by a module, and by the project's modules that it imports."""
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting.extend(graph.get(module, ()))
    return seen


def test_services_know_shared_and_themselves_only() -> None:
    """A service imports shared and itself, shared imports neither a service nor the operator's command."""
    wrong = {name: sorted(foreign(name, imports_of(path))) for name, path in modules().items()}
    assert {name: found for name, found in wrong.items() if found} == {}


def test_the_import_rule_sees_what_is_forbidden() -> None:
    """A service that imports its neighbour, in any spelling, and a shared module that imports a service are found."""
    neighbour = imports(ast.parse("def f():\n    from services import api, ingest"), "services.ingest")
    relative = imports(ast.parse("from ..api import app"), "services.ingest")
    assert foreign("services.ingest.writer", neighbour) == {"services.api"}
    assert foreign("services.ingest.writer", relative) == {"services.api", "services.api.app"}
    assert foreign("services.ingest.writer", {"services.ingest.outbox", "shared.topics"}) == set()
    assert foreign("shared.topics", {"services.api.app", "telemetrio"}) == {"services.api.app", "telemetrio"}
    assert foreign("telemetrio.up", {"services.api.app", "services.ingest"}) == set()


def impure(graph: dict[str, set[str]]) -> dict[str, list[str]]:
    """The pure modules that reach an I/O library, with what they reach."""
    found = {name: {module.split(".")[0] for module in reached(name, graph)} for name in PURE if name in graph}
    return {name: sorted(roots & INPUT_OUTPUT) for name, roots in found.items() if roots & INPUT_OUTPUT}


def test_pure_modules_touch_nothing() -> None:
    """No pure module reaches an I/O library through whatever it imports of the project, but for types alone."""
    assert impure({name: imports_of(path, typing=False) for name, path in modules().items()}) == {}


def test_the_purity_rule_follows_imports() -> None:
    """I/O behind an import of our own is found, an import for types only is not."""
    through = imports(ast.parse("from shared import engine"), "shared", typing=False)
    typed = imports(ast.parse("if TYPE_CHECKING:\n    import ssl"), "shared", typing=False)
    assert impure({"shared.topics": through, "shared.engine": {"sqlite3"}}) == {"shared.topics": ["sqlite3"]}
    assert impure({"shared.topics": typed}) == {}


@pytest.mark.parametrize("started", STARTED)
def test_no_start_waits_for_what_only_some_installations_need(started: str) -> None:
    """InfluxDB's client and Parquet's library are loaded where a setting or a request asks for them."""
    graph = {name: imports_of(path, typing=False, later=False) for name, path in modules().items()}
    roots = {module.split(".")[0] for module in reached(started, graph)}
    assert roots & {"influxdb_client", "pyarrow"} == set()


def test_the_rule_of_starts_sees_what_is_loaded_at_once() -> None:
    """An import in a method is for later; one in a class, or behind a condition, is not."""
    told = "def f():\n    import a\nclass C:\n    import b\n    def m(self):\n        import c\nif x:\n    import d"
    assert imports(ast.parse(told), "shared", later=False) == {"b", "d"}


def test_scripts_need_nothing_installed() -> None:
    """What runs on a fresh machine imports the standard library and its neighbours only."""
    own = {path.stem for path in python_files("scripts")}
    scripts = [path for path in (ROOT / "scripts").iterdir() if path.is_file() and "python3" in first_line(path)]
    wrong = {
        shown(path): imported
        for path in [*scripts, *python_files("scripts")]
        for imported in [{name.split(".")[0] for name in imports_of(path)} - own - set(sys.stdlib_module_names)]
        if imported
    }
    assert wrong == {}


def first_line(path: Path) -> str:
    return path.read_text().partition("\n")[0]
