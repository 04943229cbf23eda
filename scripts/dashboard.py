"""The dashboard: built from frontend/ into telemetrio/web when its sources changed. Standard library only."""

# ruff: noqa: INP001, S603 -- scripts lie side by side in no package, and start only commands written here

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from environment import ROOT, StepError, alone, install, say, step, stop

if TYPE_CHECKING:
    from collections.abc import Iterator

FRONTEND = ROOT / "frontend"
WEB = ROOT / "telemetrio" / "web"
NOT_SOURCES = {"node_modules", "dist", "coverage", "playwright-report", "test-results"}
# Without a server npm would try for more than a minute.
PATIENCE = ["--fetch-retry-mintimeout=2000", "--fetch-retry-maxtimeout=5000"]


def sources() -> Iterator[Path]:
    for folder, folders, files in os.walk(FRONTEND):
        folders[:] = sorted(name for name in folders if name not in NOT_SOURCES and not name.startswith("."))
        yield from (Path(folder, name) for name in sorted(files) if not name.endswith((".tsbuildinfo", ".md", ".log")))


def digest() -> str:
    total = hashlib.sha256()
    for path in sources():
        total.update(str(path.relative_to(FRONTEND)).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def node_fits() -> bool:
    """Node on PATH as the build tools need it (20.19 or newer, not 21, not before 22.12), and npm beside it."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return False
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    version = tuple(map(int, re.findall(r"\d+", answer)[:2]))
    return (20, 19) <= version < (21, 0) or version >= (22, 12)


def node_path(environment: Path) -> str:
    """The PATH on which npm is found; the environment gets Node from the package index where the machine has none."""
    path = os.environ.get("PATH", os.defpath)
    if node_fits():
        return path
    install(environment, "node")
    return f"{environment / 'bin'}{os.pathsep}{path}"


def npm_install(path: str) -> None:
    """Its packages, unless the last installation finished and was of this lock."""
    mark = FRONTEND / "node_modules" / ".telemetrio"
    wanted = hashlib.sha256((FRONTEND / "package-lock.json").read_bytes()).hexdigest()
    if not (mark.exists() and mark.read_text() == wanted):
        step("packages of the dashboard", ["npm", "ci", "--no-audit", "--no-fund", *PATIENCE], FRONTEND, path)
        mark.write_text(wanted)


def ready(environment: Path) -> None:
    """Build it if it must be; without network an older one does, and that is said."""
    mark = WEB / ".sources"
    with alone():
        wanted = digest()
        older = (WEB / "index.html").exists()
        if older and mark.exists() and mark.read_text() == wanted:
            return
        try:
            path = node_path(environment)
            npm_install(path)
            # not `npm run build`: its type check takes longer than the build, and is scripts/check's own step
            step("dashboard", ["npm", "run", "bundle"], FRONTEND, path)
        except StepError as error:
            excuse(error, older=older)
        else:
            mark.write_text(wanted)


def excuse(error: StepError, *, older: bool) -> None:
    if not error.offline:
        say(error.output)
        stop(f"{error}; what it said is above", 1)
    if not older:
        stop("no network, and the dashboard is not built yet; run this again when it can", 6)
    say("telemetrio: no network, so the dashboard is the one built before its sources changed")
