"""A real Mosquitto whose accounts are those of its dynamic-security plug-in, as deployments have it."""

import json
from pathlib import Path
from typing import Any

from shared.passwords import hash_password
from tests.peers.mosquitto import Mosquitto
from tests.peers.programs import PEERS

USER, PASSWORD = "api", "the-api"
_EVERYTHING = ("publishClientSend", "publishClientReceive", "subscribePattern", "unsubscribePattern")


def secured(folder: Path, **how: Any) -> Mosquitto:
    """Nobody gets in but the api, and whom it lets in; the accounts are in `folder`, and stay there."""
    file = folder / "dynamic-security.json"
    if not file.exists():
        file.write_text(json.dumps(accounts()))
    plugin = PEERS["mosquitto_dynsec"]()
    return Mosquitto(folder, f"allow_anonymous false\nplugin {plugin}\nplugin_opt_config_file {file}\n", **how)


def url(broker: Mosquitto, user: str = USER, password: str = PASSWORD) -> str:
    return f"mqtt://{user}:{password}@127.0.0.1:{broker.port}"


def accounts() -> dict[str, Any]:
    """The file as the plug-in keeps it: one client, who may do everything."""
    _, _, rounds, salt, derived = hash_password(PASSWORD).split("$")
    client = {"username": USER, "password": derived, "salt": salt, "iterations": int(rounds)}
    topics = ("$CONTROL/dynamic-security/#", "#")
    acls = [{"acltype": right, "topic": topic, "allow": True} for topic in topics for right in _EVERYTHING]
    default = {"publishClientSend": False, "publishClientReceive": True, "subscribe": False, "unsubscribe": True}
    return {
        "defaultACLAccess": default,
        "clients": [{**client, "roles": [{"rolename": "service"}]}],
        "roles": [{"rolename": "service", "acls": acls}],
    }
