"""A Docker engine with images made on the spot: nothing is pulled, and what is started is stopped again."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from tests.peers.programs import ROOT
from tests.peers.waiting import eventually

IMAGES: Final = Path(__file__).with_name("images")
# kept from one run to the next: Debian and the images take minutes to make
CACHE: Final = Path(tempfile.gettempdir()) / "telemetrio-compose"
STAND_INS: Final = ("python", "node", "broker", "store", "database", "proxy", "prometheus")
_BASE: Final = "stand-in:debian"
_PACKAGES: Final = (
    *("python3", "python3-venv", "ca-certificates", "openssl", "libatomic1", "gettext-base"),
    *("mosquitto", "influxdb", "postgresql", "nginx-light", "prometheus"),
)
_PYTHON: Final = "3.11"
_CERTIFICATES: Final = Path("/etc/ssl/certs/ca-certificates.crt")


class Engine:
    """Ours, in a folder of its own, unless DOCKER_HOST names one. `run`: a docker command; its output."""

    def __init__(self) -> None:
        self._socket = CACHE / "docker.sock"
        own = os.environ.get("DOCKER_HOST", f"unix://{self._socket}")
        # BuildKit is no part of Debian's engine
        self.environment = {**os.environ, "DOCKER_HOST": own, "DOCKER_BUILDKIT": "0", "COMPOSE_DOCKER_CLI_BUILD": "0"}

    def start(self, stack: ExitStack) -> None:
        """Return when it answers."""
        if self._answers():
            return
        CACHE.mkdir(exist_ok=True)
        folders = ["--data-root", CACHE / "data", "--exec-root", CACHE / "exec", "--pidfile", CACHE / "docker.pid"]
        with (CACHE / "dockerd.log").open("ab") as log:
            command = ["dockerd", "-H", f"unix://{self._socket}", *map(str, folders)]
            process = subprocess.Popen(command, stdout=log, stderr=log)
        stack.callback(process.wait, 60)
        stack.callback(process.terminate)
        eventually(self._answers, 60)

    def _answers(self) -> bool:
        asked = ["docker", "info", "--format", "{{.ServerVersion}}"]
        ran = subprocess.run(asked, env=self.environment, capture_output=True, text=True, check=False)
        return ran.returncode == 0 and bool(ran.stdout.strip())

    def run(self, *words: str | Path, within_s: float = 600) -> str:
        ran = subprocess.run(
            ["docker", *words], env=self.environment, capture_output=True, text=True, check=False, timeout=within_s
        )
        assert ran.returncode == 0, f"docker {words}: {ran.stdout[-2000:]}{ran.stderr[-3000:]}"
        return ran.stdout.strip()

    def inspect(self, what: str) -> Any:
        return json.loads(self.run("inspect", what))[0]

    def has(self, image: str) -> bool:
        return bool(self.run("images", "-q", image))

    def make_images(self) -> None:
        """Those that are missing; after a change of a lock or of a Dockerfile here: `docker rmi` them."""
        if not self.has(_BASE):
            self._import_debian()
        for name in STAND_INS:
            if not self.has(f"stand-in:{name}"):
                self._build(name)

    def _import_debian(self) -> None:
        """By debootstrap, with the certificates that this machine trusts: a mirror may have one of its own."""
        root = CACHE / "debian"
        shutil.rmtree(root, ignore_errors=True)
        _run("debootstrap", "--variant=minbase", "bookworm", root)
        policy = root / "usr" / "sbin" / "policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n")  # packages start no servers
        policy.chmod(0o755)
        install = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *_PACKAGES]
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for words in (["apt-get", "update", "-q"], install, ["apt-get", "clean"]):
            _run("chroot", root, *words, environment=quiet)
        shutil.copyfile(_CERTIFICATES, root / _CERTIFICATES.relative_to("/"))
        with subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE) as tar:
            subprocess.run(["docker", "import", "-", _BASE], stdin=tar.stdout, env=self.environment, check=True)
        shutil.rmtree(root)

    def _build(self, name: str) -> None:
        context = CACHE / "context"
        shutil.rmtree(context, ignore_errors=True)
        shutil.copytree(IMAGES, context)
        if name == "python":
            _download("requirements.lock", context / "wheelhouse")
        if name == "node":
            _download("requirements-node.lock", context / "node")
            _fill_npm_cache(context / "npm")
        self.run("build", "-t", f"stand-in:{name}", "-f", context / f"{name}.Dockerfile", context, within_s=1200)
        shutil.rmtree(context)


def _download(lock: str, folder: Path) -> None:
    """The locked packages, by their hashes, for Debian's own Python."""
    asked = ["--quiet", "--require-hashes", "--only-binary=:all:", "-r", str(ROOT / lock), "-d", str(folder)]
    _run(sys.executable, "-m", "pip", "download", "--python-version", _PYTHON, *asked)


def _fill_npm_cache(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as project:
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(ROOT / "frontend" / name, project)
        _run("npm", "ci", "--no-audit", "--no-fund", "--cache", folder, cwd=Path(project))


def _run(*words: str | Path, environment: dict[str, str] | None = None, cwd: Path = ROOT) -> None:
    ran = subprocess.run(words, capture_output=True, text=True, check=False, cwd=cwd, env=environment, timeout=1800)
    assert ran.returncode == 0, f"{words[:2]}: {ran.stdout[-2000:]}{ran.stderr[-2000:]}"
