"""deploy/ as processes: its Mosquitto and nginx configuration with a test's paths, its secrets, and all servers."""

import os
import re
import shutil
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self

from telemetrio.provision import broker, store
from tests.peers.api import ApiProcess
from tests.peers.influxdb import Influxd, free_ports
from tests.peers.outside import Outside
from tests.peers.postgres import Cluster, made
from tests.peers.programs import PEERS, ROOT
from tests.peers.realtime import RealtimeProcess
from tests.peers.waiting import eventually
from tests.peers.worker import Worker

DEPLOY: Final = ROOT / "deploy"
_PLUGIN: Final = next(iter(Path("/usr/lib").glob("*/mosquitto_dynamic_security.so")), Path("/no/plugin/here"))
_MAIN: Final = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxied;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {sites}
}}
"""


class Program:
    """A server by its command: started and stopped by its pid, as often as one likes; its log goes on."""

    def __init__(self, command: list[str], log: Path) -> None:
        assert shutil.which(command[0])
        self._command = command
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.wait(20)


class Installation:
    """Started on entering, stopped by pid on leaving."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.secrets = folder / "secrets"
        self._stack = ExitStack()
        self._mqtt_port, self.mqtts_port, self.http_port, https_port, database_port = free_ports(5)
        self._setup(https_port)
        self.influx = Influxd(folder / "influx", auth=True)
        self._cluster = made(database_port)
        self.origin = f"https://127.0.0.1:{https_port}"
        self.outside = Outside(self.origin, self.mqtts_port, self.secrets / "ca.pem")
        self.api = ApiProcess(folder / "api", **self._settings("api", "read"))
        self.realtime = RealtimeProcess(folder / "live", "realtime", **self._settings("realtime", "read"))
        self.ingest = Worker(folder / "ingest", **self._settings("ingest", "write"))
        self._broker = Program(
            [str(PEERS["mosquitto"]()), "-c", str(folder / "broker" / "mosquitto.conf")], folder / "broker" / "log"
        )

    def _setup(self, https_port: int) -> None:
        command = [sys.executable, str(DEPLOY / "setup"), "127.0.0.1", "--https-port", str(https_port)]
        environment = {**os.environ, "TELEMETRIO_DEPLOY_DIR": str(self.folder)}
        subprocess.run(command, check=True, env=environment, capture_output=True)

    def secret(self, name: str) -> str:
        return (self.secrets / name).read_text()

    def token(self, right: str) -> str:
        """Of InfluxDB: `write` or `read`."""
        return (self.folder / "tokens" / right / "token").read_text()

    def _mqtt(self, service: str) -> str:
        return f"mqtt://_{service}@127.0.0.1:{self._mqtt_port}"

    def _settings(self, service: str, right: str) -> dict[str, str]:
        """As deploy/compose.yaml gives them."""
        web = {
            "TELEMETRIO_AUTH": "required",
            "TELEMETRIO_ALLOWED_HOSTS": "127.0.0.1",
            "TELEMETRIO_CORS_ORIGINS": "",
            "TELEMETRIO_TRUSTED_HOPS": "1",
            "TELEMETRIO_SECRET_KEY_FILE": str(self.secrets / "secret.key"),
        }
        return {
            **(web if service != "ingest" else {}),
            **({"TELEMETRIO_BROKER_AUTH": "dynsec"} if service == "api" else {}),
            "TELEMETRIO_DATABASE_URL": f"postgresql://telemetrio@127.0.0.1:{self._cluster.port}/telemetrio",
            "TELEMETRIO_DATABASE_PASSWORD_FILE": str(self.secrets / "postgres.password"),
            "TELEMETRIO_INFLUXDB_URL": self.influx.url,
            "TELEMETRIO_INFLUXDB_ORG": "telemetrio",
            "TELEMETRIO_INFLUXDB_TOKEN_FILE": str(self.folder / "tokens" / right / "token"),
            "TELEMETRIO_MQTT_URL": self._mqtt(service),
            "TELEMETRIO_MQTT_PASSWORD_FILE": str(self.secrets / f"broker-{service}.password"),
        }

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(self._cluster.remove)
            self._start_database(self._cluster)
            stack.callback(self.influx.stop)
            self.influx.start()
            passwords = (self.secret("influxdb-admin.password"), self.secret("influxdb-admin.token"))
            store.provision(
                store.Wanted(self.influx.url, "telemetrio", "telemetrio", 0, *passwords, self.folder / "tokens")
            )
            self._start_broker(stack)
            self._start_services(stack)
            self._start_proxy(stack)
            self.api.ready()
            eventually(lambda: self.ingest.get("/readyz")["ready"], 40)
            eventually(lambda: self.realtime.dependency("feed") == "ok", 40)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start_database(self, cluster: Cluster) -> None:
        """Over TCP with a password alone, as in the image of deploy/."""
        rules = "local all postgres trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        (cluster.folder / "data" / "pg_hba.conf").write_text(rules)
        cluster.start()
        role = f"CREATE ROLE telemetrio LOGIN PASSWORD '{self.secret('postgres.password')}'"
        psql = [
            str(cluster.programs / "psql"),
            "-q",
            "-h",
            str(cluster.folder),
            "-p",
            str(cluster.port),
            "-U",
            "postgres",
        ]
        for statement in (role, "CREATE DATABASE telemetrio OWNER telemetrio"):
            subprocess.run([*psql, "-c", statement], check=True, capture_output=True)

    def _start_services(self, stack: ExitStack) -> None:
        """All at once: most of what each waits for is its own imports."""
        services = (self.api, self.realtime, self.ingest)
        for service in services:
            stack.callback(service.stop)
        with ThreadPoolExecutor() as pool:
            for started in [pool.submit(service.start) for service in services]:
                started.result()

    def _start_broker(self, stack: ExitStack) -> None:
        data = self.folder / "broker"
        data.mkdir()
        broker.provision(data / "dynamic-security.json", self.secrets, ["iot/devices"])
        text = (DEPLOY / "mosquitto" / "mosquitto.conf").read_text()
        text = text.replace("/run/secrets", str(self.secrets)).replace("/mosquitto/data", str(data))
        text = text.replace("/usr/lib/mosquitto_dynamic_security.so", str(_PLUGIN))
        text = text.replace("listener 8883", f"listener {self.mqtts_port} 127.0.0.1")
        text = text.replace("listener 1883", f"listener {self._mqtt_port} 127.0.0.1")
        # it drops root's rights, and could not write into a test's directory then
        (data / "mosquitto.conf").write_text(f"user root\n{text}")
        stack.callback(self.stop_broker)
        self.start_broker()

    def start_broker(self) -> None:
        """Return when it accepts connections."""
        self._broker.start()
        eventually(lambda: _accepts(self._mqtt_port), 20)

    def stop_broker(self) -> None:
        self._broker.stop()

    def _start_proxy(self, stack: ExitStack) -> None:
        folder = self.folder / "proxy"
        folder.mkdir()
        given = {
            "HTTP_LISTEN": f"127.0.0.1:{self.http_port}",
            "HTTPS_LISTEN": self.origin.removeprefix("https://"),
            "CERTIFICATE": str(self.secrets / "server.pem"),
            "CERTIFICATE_KEY": str(self.secrets / "server.key"),
            "PUBLIC_ORIGIN": self.origin,
            "RESOLVER": "127.0.0.1",
            "API": f"127.0.0.1:{self.api.port}",
            "REALTIME": self.realtime.url.removeprefix("http://"),
        }
        templates = [DEPLOY / "proxy" / name for name in ("telemetrio.conf.template", "pin-one.conf.template")]
        sites = "\n".join(rendered(template.read_text(), given) for template in templates)
        (folder / "nginx.conf").write_text(_MAIN.format(folder=folder, sites=sites))
        command = [str(PEERS["nginx"]()), "-p", str(folder), "-c", str(folder / "nginx.conf")]
        nginx = Program(command, folder / "log")
        stack.callback(nginx.stop)
        nginx.start()
        eventually((folder / "nginx.pid").exists, 20)

    @property
    def proxy_log(self) -> str:
        return (self.folder / "proxy" / "log").read_text()

    @property
    def first_password(self) -> str:
        """What the api showed once."""
        found = re.search(r"^login \S+ (\S+)", self.api.log, re.MULTILINE)
        assert found
        return found[1]


def rendered(template: str, given: dict[str, str]) -> str:
    """As the image's own script does it: names in capitals that it was given, and nothing else."""
    return re.sub(r"\$\{([A-Z_]+)\}", lambda found: given[found[1]], template)


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
