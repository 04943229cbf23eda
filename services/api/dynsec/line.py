"""Questions to the dynamic-security plug-in, and its answers: over MQTT, each told from others' by a mark."""

import asyncio
import secrets
from collections.abc import Sequence
from typing import Final

import orjson
from aiomqtt import Client

from services.api.dynsec.commands import Command, Found, ours
from shared.broker import BrokerSettings, SubscriptionRefused, aiomqtt_arguments, publish, subscribe

_TOPIC: Final = "$CONTROL/dynamic-security/v1"
_ANSWERS: Final = f"{_TOPIC}/response"
_PAGE: Final = 500
_CONNECTED_S: Final = 10.0
_DONE_ALREADY: Final = {
    "createRole": "Role already exists",
    "deleteClient": "Client not found",
    "deleteRole": "Role not found",
}
MEND: Final = (
    "mosquitto.conf must load the plug-in mosquitto_dynamic_security.so, and the user in TELEMETRIO_MQTT_URL must have "
    "a role that may publish and subscribe $CONTROL/dynamic-security/#"
)


class Deaf(Exception):
    """The broker is there, and nobody answers for its accounts: somebody must mend it."""


class CommandRefused(Exception):
    """The plug-in does not do it, and says why."""


class Line:
    """Over a client that is connected; one question at a time. `within_s`: what one answer may take."""

    def __init__(self, client: Client, within_s: float = 10.0) -> None:
        self._client = client
        self._within_s = within_s
        self._turn = asyncio.Lock()
        self._mark = ""
        self._answer: asyncio.Future[list[Command]] = asyncio.get_running_loop().create_future()

    async def open(self) -> None:
        """Raises Deaf where the broker doesn't let us hear answers, MqttError where it is away."""
        try:
            await subscribe(self._client, _ANSWERS, 1)
        except SubscriptionRefused as error:
            raise Deaf(f"the broker does not let this server hear {_ANSWERS}: {MEND}") from error

    async def hear(self) -> None:
        """Hand answers to whoever asked; raises MqttError once the connection is gone."""
        async for message in self._client.messages:
            answers: list[Command] = orjson.loads(bytes(message.payload)).get("responses", [])
            if not self._answer.done() and answers and answers[0].get("correlationData") == self._mark:
                self._answer.set_result(answers)

    async def tell(self, command: Command) -> None:
        """What is so already is no error. Raises Deaf, CommandRefused, MqttError.

        One at a time: the plug-in writes its whole file for each, and serves no device while it does.
        """
        error = (await self._ask(command)).get("error")
        if error is not None and error != _DONE_ALREADY.get(command["command"]):
            named = command.get("username") or command.get("rolename")
            raise CommandRefused(f"{command['command']} {named}: {error}")

    async def found(self) -> Found:
        """All that it has of ours; raises Deaf, CommandRefused, MqttError."""
        return ours(await self._all("listClients", "clients"), await self._all("listRoles", "roles"))

    async def _all(self, command: str, kind: str) -> list[Command]:
        listed: list[Command] = []
        while True:
            question = {"command": command, "verbose": True, "count": _PAGE, "offset": len(listed)}
            answer = await self._ask(question)
            if "error" in answer:
                raise CommandRefused(f"{command}: {answer['error']}")
            page = answer["data"][kind]
            listed += page
            if len(page) < _PAGE:
                return listed

    async def _ask(self, command: Command) -> Command:
        async with self._turn:
            self._mark = secrets.token_hex(8)
            self._answer = asyncio.get_running_loop().create_future()
            payload = orjson.dumps({"commands": [{**command, "correlationData": self._mark}]})
            try:
                async with asyncio.timeout(self._within_s):
                    await publish(self._client, _TOPIC, payload, 1, self._within_s)
                    return (await self._answer)[0]
            except TimeoutError as error:
                raise Deaf(f"nobody answers on {_TOPIC} within {self._within_s:g} s: {MEND}") from error


async def tell_all(broker: BrokerSettings, commands: Sequence[Command]) -> None:
    """Over a connection of its own; raises Deaf, CommandRefused, MqttError, OSError."""
    async with Client(**aiomqtt_arguments(broker, "enrolment", secrets.token_hex(4)), timeout=_CONNECTED_S) as client:
        line = Line(client)
        await line.open()
        hearing = asyncio.create_task(line.hear())
        try:
            for command in commands:
                await line.tell(command)
        finally:
            hearing.cancel()
            await asyncio.wait([hearing])
