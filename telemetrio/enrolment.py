"""Enrolment: what an operator's device presents to the broker, which is told of it where it must be."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from aiomqtt import MqttError

from services.api.dynsec.commands import Account, admit
from services.api.dynsec.line import CommandRefused, Deaf, tell_all
from services.api.resources import AskedLater
from services.api.settings import AdmissionSettings
from shared.broker import BrokerSettings
from shared.process import ExitCode, Refusal
from shared.settings import read_settings


class Proof(NamedTuple):
    """Shown once: of the password only a hash is kept."""

    client_id: str
    username: str
    password: str


async def enrol(account: Account, password: str, flags: Mapping[str, Any]) -> Proof:
    """By the settings of the api; raises Refusal where the broker doesn't take it."""
    admission = read_settings(AdmissionSettings, **flags)
    if admission.broker_auth != "dynsec":
        names = AskedLater(named=admission.broker_auth == "http")
        return Proof(account.device_id, names.username(account.device_id, account.name), password)
    commands = admit(account, password, admission.device_prefixes)
    try:
        await tell_all(read_settings(BrokerSettings, **flags), commands)
    except (MqttError, OSError, Deaf, CommandRefused) as error:
        message = f"TELEMETRIO_MQTT_URL: the broker did not take the credential, so none was made: {error}"
        raise Refusal(message, ExitCode.DIED) from error
    return Proof(account.device_id, account.username, password)
