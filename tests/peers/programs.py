"""Every peer that a test may name, and how each is found on this machine."""

import os
import shutil
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

from tests.peers.disk import tmpfs

ROOT: Final = Path(__file__).resolve().parents[2]
# Debian's servers lie outside an ordinary user's PATH.
SEARCHED: Final = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin", "/sbin"])


def program(name: str) -> Callable[[], Path | None]:
    def look() -> Path | None:
        found = shutil.which(name, path=SEARCHED)
        return Path(found) if found else None

    return look


def postgres() -> Path | None:
    """The newest one: Debian keeps each version in a folder of its own."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
    return versions[-1] if versions else program("postgres")()


def plugin(name: str) -> Callable[[], Path | None]:
    """A library of the machine, wherever its architecture has it."""

    def look() -> Path | None:
        return next((found for lib in ("/usr/lib", "/usr/local/lib") for found in Path(lib).glob(f"**/{name}")), None)

    return cache(look)  # it takes longer than many a test that asks


def node() -> Path | None:
    """The machine's, else the one that building the dashboard put into the environment."""
    beside = Path(sys.executable).with_name("node")
    return program("node")() or (beside if beside.exists() else None)


def file(path: str) -> Callable[[], Path | None]:
    def look() -> Path | None:
        return ROOT / path if (ROOT / path).exists() else None

    return look


def chromium() -> Path | None:
    """Its shell without a window costs a machine without graphics a third less; the whole browser does as well."""
    return program("chromium-headless-shell")() or program("chromium")()


def docker() -> Path | None:
    """An engine, and Debian's docker-compose."""
    return program("dockerd")() and program("docker-compose")()


PEERS: Final[dict[str, Callable[[], Path | None]]] = {
    "mosquitto": program("mosquitto"),
    "mosquitto_dynsec": plugin("mosquitto_dynamic_security.so"),
    "mosquitto_pub": program("mosquitto_pub"),
    "influxd": program("influxd"),
    "postgres": postgres,
    "nginx": program("nginx"),
    "openssl": program("openssl"),
    "tmpfs": tmpfs,
    "docker": docker,
    "debootstrap": program("debootstrap"),
    "chromium": chromium,
    "node": node,
    "dashboard": file("telemetrio/web/index.html"),
    "socketio_client": file("frontend/node_modules/socket.io-client/dist"),
    "axe": file("frontend/node_modules/axe-core/axe.min.js"),
}
BUILT: Final = frozenset({"node", "dashboard", "socketio_client", "axe"})


def mend(name: str) -> str:
    """Which script brings it."""
    if name == "tmpfs":
        return "root may mount it"
    if name in {"docker", "debootstrap"}:
        return "apt install docker.io docker-compose debootstrap"
    return "scripts/test builds it" if name in BUILT else "scripts/peers installs it"
