"""What every script needs first: a Python that fits, a virtual environment, the locked packages. Standard library only.

It must start on any Python 3.7 or newer, if only to say in one sentence which one is needed.
"""

# ruff: noqa: INP001, S603, S606 -- scripts lie side by side in no package, and start only commands written here

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Kept from writing bytecode, Python would compile every package anew at every start: 8 s instead of 2.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

ROOT = Path(__file__).resolve().parent.parent
OLDEST, TOO_NEW = (3, 11), (3, 14)
LOCKS = {
    "run": ROOT / "requirements.lock",
    "dev": ROOT / "requirements-dev.lock",
    "node": ROOT / "requirements-node.lock",
}
# What pip and npm print when no server could be reached at all; anything else is shown as they said it.
OFFLINE = (
    "NewConnectionError",
    "NameResolutionError",
    "Network is unreachable",
    "Name or service not known",
    "Temporary failure in name resolution",
    "ConnectTimeoutError",
    "ENOTFOUND",
    "EAI_AGAIN",
    "ENETUNREACH",
    "ECONNREFUSED",
    "ETIMEDOUT",
)


class StepError(Exception):
    """A command of a step failed; `output` is all that it printed."""

    def __init__(self, title: str, output: str) -> None:
        super().__init__(f"{title}: failed")
        self.output = output

    @property
    def offline(self) -> bool:
        return any(sign in self.output for sign in OFFLINE)


def say(text: str, end: str = "\n") -> None:
    sys.stderr.write(text + end)
    sys.stderr.flush()


def stop(sentence: str, code: int) -> NoReturn:
    """End with one sentence. 1 failed, 2 wrong use, 5 prerequisite missing, 6 no network."""
    say(f"telemetrio: {sentence}")
    raise SystemExit(code)


def step(
    title: str, command: Sequence[str | Path], cwd: Path = ROOT, path: str | None = None, *, beside: bool = False
) -> None:
    """Run one command; a terminal shows its latest line meanwhile, and what stays is one line with the seconds.

    `beside` another one: nothing is shown until it has ended.
    """
    began = time.monotonic()
    terminal = sys.stderr.isatty() and not beside
    width = shutil.get_terminal_size().columns - 1
    environ = {**os.environ, "PATH": path or os.environ.get("PATH", os.defpath)}
    if not beside:
        say(f"  {title} …", end="")
    printed: list[str] = []
    with subprocess.Popen(
        [str(word) for word in command],
        cwd=cwd,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            printed.append(line)
            if terminal:
                news = f"  {title} … {time.monotonic() - began:.0f} s  {line.strip()}"
                say(f"\r\x1b[K{news[:width]}", end="")
    if terminal:
        say(f"\r\x1b[K  {title} …", end="")
    said = f" {'failed' if process.returncode else 'ok'}, {time.monotonic() - began:.1f} s"
    say(f"  {title} …{said}" if beside else said)
    if process.returncode:
        raise StepError(title, "".join(printed))


def interpreter(python: str) -> tuple[str, tuple[int, int]] | None:
    """Its real path and version if it starts, is one that telemetrio runs on, and can make environments."""
    asked = "import os, sys, venv, ensurepip; print(*sys.version_info[:2], os.path.realpath(sys.executable))"
    try:
        answer = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=False)
    except OSError:
        return None
    if answer.returncode:  # no venv module, or a shim of pyenv for a version that is not selected
        return None
    major, minor, path = answer.stdout.strip().split(" ", 2)
    version = (int(major), int(minor))
    return (path, version) if OLDEST <= version < TOO_NEW else None


def find_python() -> str:
    """The python3 that runs this if it fits, else another one on PATH; exits 5 with the mend if there is none."""
    this = os.path.realpath(sys.executable)  # outside any environment that is active now
    for python in (this, "python3.13", "python3.12", "python3.11"):
        found = interpreter(python)
        if found:
            return found[0]
    if OLDEST <= sys.version_info[:2] < TOO_NEW:
        stop("this Python has no venv module; on Debian and Ubuntu: apt install python3-venv", 5)
    here = ".".join(map(str, sys.version_info[:2]))
    stop(f"Python 3.11, 3.12 or 3.13 is needed and none is on PATH (python3 is {here}); install one of them", 5)


def read_stamp(folder: Path) -> dict[str, Any] | None:
    try:
        stamp = json.loads((folder / ".telemetrio.json").read_text())
    except (OSError, ValueError):
        return None
    return stamp if isinstance(stamp, dict) else None


def write_stamp(folder: Path, stamp: dict[str, Any]) -> None:
    fresh = folder / ".telemetrio.json.new"
    fresh.write_text(json.dumps(stamp))
    fresh.replace(folder / ".telemetrio.json")


def usable(folder: Path) -> bool:
    """Whether packages can be put into it: made here, for this place, by a Python that is still there, not half-way."""
    stamp = read_stamp(folder)
    python = folder / "bin" / "python"
    if stamp is not None:
        return stamp.get("root") == str(ROOT) and not stamp.get("unfinished") and python.exists()
    has_pip = any(folder.glob("lib/*/site-packages/pip"))
    return has_pip and interpreter(str(python)) is not None


def create(folder: Path, python: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / ".gitignore").write_text("*\n")
    write_stamp(folder, {"unfinished": True})  # a run killed from here on is mended by making it anew
    try:
        step(f"{folder.name} with {python}", [python, "-m", "venv", folder])
    except StepError as error:
        shutil.rmtree(folder)
        say(error.output)
        stop("the virtual environment could not be made; on Debian and Ubuntu: apt install python3-venv", 5)
    write_stamp(folder, {"root": str(ROOT)})


def key_of(folder: Path, lock: str) -> str:
    parts = [LOCKS[lock], ROOT / "pyproject.toml", folder / "pyvenv.cfg"]
    return hashlib.sha256(b"\0".join(part.read_bytes() for part in parts)).hexdigest()


def install(folder: Path, lock: str) -> None:
    """Put a lock's packages in unless they are there; what a larger lock brought stays."""
    stamp = read_stamp(folder) or {"root": str(ROOT)}
    holders = ("run", "dev") if lock == "run" else (lock,)
    if any(stamp.get(holder) == key_of(folder, holder) for holder in holders):
        return
    write_stamp(folder, {**stamp, "unfinished": True})
    pip: list[str | Path] = [
        folder / "bin" / "python",
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--no-input",
        "install",
    ]
    try:
        # not compiled: Python compiles what is used when it is first used, which is a small part and saves 5 s here
        hashed: list[str | Path] = ["--no-compile", "--progress-bar=off", "--require-hashes", "-r", LOCKS[lock]]
        step(f"packages of {LOCKS[lock].name}", [*pip, *hashed])
        if lock != "node":
            step("telemetrio itself", [*pip, "--no-deps", "--no-build-isolation", "-e", ROOT])
    except StepError as error:
        if error.offline:  # pip had fetched nothing, so it has changed nothing
            write_stamp(folder, stamp)
        raise
    write_stamp(folder, {**stamp, lock: key_of(folder, lock)})


@contextmanager
def alone() -> Iterator[None]:
    """One script at a time makes things; another waits, and finds them made."""
    with Path(__file__).open() as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield


def ready(lock: str, python: str | None = None) -> Path:
    """The environment's folder with that lock installed: `.venv`, or `.venv-3.13` for a `python` that was asked for."""
    folder = ROOT / ".venv"
    if python is not None:
        found = interpreter(python)
        if found is None:
            stop(f"--python {python}: no Python 3.11, 3.12 or 3.13 with its venv module", 5)
        python, (major, minor) = found
        folder = ROOT / f".venv-{major}.{minor}"
    with alone():
        if not usable(folder):
            create(folder, python or find_python())
        try:
            install(folder, lock)
        except StepError as error:
            if error.offline:
                stop("no network: pip could not reach its package index; run this again when it can", 6)
            say(error.output)
            stop(f"{error}; what pip said is above", 1)
    return folder


def end_with(command: Sequence[str | Path]) -> NoReturn:
    """Become the command: its signals and its exit code are then this script's own."""
    words = [str(word) for word in command]
    sys.stdout.flush()
    os.execv(words[0], words)
