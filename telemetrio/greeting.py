"""What `telemetrio up` says on standard output: not in the log, which is collected and kept."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from shutil import which
from socket import socket

from services.api.accounts.first import told
from shared.topics import data_topic
from telemetrio.settings import UpSettings


def say_password(made: tuple[str, str] | None) -> None:
    """That of the first administrator, this once."""
    if made is not None:
        sys.stdout.write(told(*made))
        sys.stdout.flush()


def say_ready(settings: UpSettings, web: Sequence[socket], mqtt_port: int, prefix: str) -> None:
    """Tell people and scripts that everything listens, and what to do next."""
    host = "127.0.0.1" if settings.host == "localhost" else settings.host
    shown = f"[{host}]" if ":" in host else host
    host = settings.mqtt_hosts[0]
    mqtt_shown = f"[{host}]" if ":" in host else host
    sys.stdout.write(
        f"ready http://{shown}:{web[0].getsockname()[1]} mqtt://{mqtt_shown}:{mqtt_port}\n"
        f"data  {settings.data_dir.absolute()}\n"
        f"try   {_by_hand(host, mqtt_port, data_topic('test_device', prefix))}\n"
    )
    sys.stdout.flush()


def _by_hand(host: str, port: int, topic: str) -> str:
    """A command that is there."""
    message = """'{"temperature": 23.5, "humidity": 55, "pressure": 1013.25}'"""
    if which("mosquitto_pub"):
        return f"mosquitto_pub -h {host} -p {port} -t {topic} -m {message}"
    own = os.path.relpath(Path(sys.executable).with_name("telemetrio"))
    where = (
        ""
        if (host, port) == ("127.0.0.1", 1883)
        else f" --mqtt-url mqtt://{f'[{host}]' if ':' in host else host}:{port}"
    )
    return f"{own} publish {topic} {message}{where}"
