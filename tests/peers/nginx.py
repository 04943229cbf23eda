"""A real nginx before one of our servers, with the configuration that a test gives its only location."""

import socket
import subprocess
from pathlib import Path
from typing import Final, Self

from tests.peers.mosquitto import free_port
from tests.peers.programs import PEERS
from tests.peers.waiting import eventually

UPGRADE: Final = (
    'proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";'
)

_CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder};
    proxy_temp_path {folder};
    fastcgi_temp_path {folder};
    uwsgi_temp_path {folder};
    scgi_temp_path {folder};
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{target};
            {location}
        }}
    }}
}}
"""


class Nginx:
    """`target`: the port behind it."""

    def __init__(self, folder: Path, target: int, location: str = UPGRADE) -> None:
        self.port = free_port()
        self._file = folder / f"nginx-{self.port}.conf"
        text = _CONFIGURATION.format(folder=folder, port=self.port, target=target, location=location)
        self._file.write_text(text)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        command = [str(PEERS["nginx"]()), "-c", str(self._file), "-e", str(self._file.with_suffix(".log"))]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        eventually(self._listens, 20)
        return self

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._file.with_suffix(".log").read_text()
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(10)
