"""Provisioner: keeps Mosquitto's accounts of devices like the table of credentials. The database is the truth.

A password is known for one moment, when it is made; then it must reach the broker, or there is no credential. All the
rest (revoked, deleted, handed over, disabled) is found by comparing, whoever did it, and whoever was away meanwhile.
"""

import asyncio
import secrets
from collections.abc import Sequence
from typing import Any, Final

import structlog
from aiomqtt import Client, MqttError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.api.credentials.queries import every_account
from services.api.database import DATABASE_AWAY
from services.api.dynsec.commands import Account, Command, admit, mend
from services.api.dynsec.line import CommandRefused, Deaf, Line
from services.api.errors import Away
from services.api.messenger import first
from shared.broker import Backoff, BrokerSettings, aiomqtt_arguments
from shared.health import Health, State

log = structlog.get_logger()

_EVERY_S: Final = 60.0
_PAUSE_S: Final = 0.5  # a list of devices changes many rows; the broker lists all its accounts for each look
_SOON_S: Final = 5.0
_WITHIN_S: Final = 10.0
_SHOWN: Final = 5
_AWAY: Final = "broker_unavailable"
_PART: Final = "device_accounts"


class Provisioner:
    """A part of the process, and the Admission of its routes. While there is no broker it goes on trying."""

    def __init__(self, broker: BrokerSettings, engine: AsyncEngine, health: Health, prefixes: Sequence[str]) -> None:
        self._broker = broker
        self._engine = engine
        self._health = health
        self._prefixes = prefixes
        self._name = secrets.token_hex(4)
        self._line: Line | None = None
        self._changed = asyncio.Event()
        self._lacking: set[Account] = set()
        self._turn = asyncio.Lock()  # of whoever compares, and whoever makes an account

    def look(self) -> None:
        """Somebody changed something."""
        self._changed.set()

    def username(self, device_id: str, name: str) -> str:
        return Account(device_id, name).username

    async def admit(self, device_id: str, name: str, password: str, *, disabled: bool = False) -> None:
        """Return when the broker lets the device in; raises Away, and then perhaps it does."""
        line = self._line
        if line is None:
            raise Away("The broker can't be reached just now, so no credential was made: try again", _AWAY)
        try:
            async with asyncio.timeout(_WITHIN_S), self._turn:
                for command in admit(Account(device_id, name, disabled), password, self._prefixes):
                    await line.tell(command)
        except (MqttError, OSError, Deaf, CommandRefused) as error:  # TimeoutError is an OSError
            log.warning("device_not_admitted", device_id=device_id, reason=str(error)[:300])
            raise Away("The broker did not take it just now, so no credential was made: try again", _AWAY) from error

    async def run(self) -> None:
        """Connect for ever."""
        backoff = Backoff()
        arguments: dict[str, Any] = aiomqtt_arguments(self._broker, "accounts", self._name)
        while True:
            try:
                async with Client(**arguments, timeout=_WITHIN_S) as client, asyncio.TaskGroup() as group:
                    line = Line(client)
                    await line.open()
                    group.create_task(line.hear())
                    await line.found()
                    backoff.reset()
                    self._line = line
                    await self._keep(line)
            except* (MqttError, OSError, Deaf, CommandRefused) as errors:
                self._say("down", f"{self._broker.address}: {first(errors)}")
            finally:
                self._line = None
            await asyncio.sleep(backoff.next_s())

    async def _keep(self, line: Line) -> None:
        while True:
            self._changed.clear()
            done = await self._look(line)
            await asyncio.sleep(_PAUSE_S)
            try:
                async with asyncio.timeout(_EVERY_S if done else _SOON_S):
                    await self._changed.wait()
            except TimeoutError:
                pass  # another replica, an operator, or the broker itself may have changed something

    async def _look(self, line: Line) -> bool:
        """Bring the broker to what the database says; while that is away, what the broker has holds.

        Whether that is how things are now: else it is worth another look.
        """
        async with self._turn:
            # first the broker: what is made between the two looks is in the database before it is at the broker
            found = await line.found()
            try:
                wanted = await every_account(self._engine)
            except DATABASE_AWAY as error:
                self._say("degraded", f"the database can't be asked: {type(error).__name__}")
                return False
            mending = mend([Account(*row) for row in wanted], found, self._prefixes)
            refused = [await self._tell(line, command) for command in mending.commands]
        if mending.commands:
            log.info("device_accounts_mended", commands=len(mending.commands))
        return self._judge(set(mending.missing), [each for each in refused if each]) and not mending.commands

    async def _tell(self, line: Line, command: Command) -> str:
        """Why it was refused: the others are told all the same."""
        try:
            await line.tell(command)
        except CommandRefused as error:
            return str(error)
        return ""

    def _judge(self, missing: set[Account], refused: Sequence[str]) -> bool:
        """Missing twice in a row: the first time, one may just be on its way to the broker."""
        lacking = sorted(missing & self._lacking)
        certain, self._lacking = missing == self._lacking, missing
        if refused:
            self._say("degraded", f"the broker refuses {len(refused)} commands, first {refused[0]}")
        elif lacking:
            names = ", ".join(account.username for account in lacking[:_SHOWN])
            mend = "put its dynamic-security.json back, or revoke them and make new ones"
            self._say("degraded", f"the broker has lost {len(lacking)} credentials ({names}): {mend}")
        elif certain:
            self._say("ok")
        return certain and not refused

    def _say(self, state: State, detail: str = "") -> None:
        self._health.report(_PART, state, detail[:500], needed=False)
