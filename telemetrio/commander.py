"""Commands from the api to ingest in the same process: they take the way that messages take, and keep its order."""

import asyncio
import time
from typing import Final

from services.api.errors import Away
from services.ingest.delivery import Delivery, Intake
from shared.commands import AnyCommand
from shared.topics import control_topic

WITHIN_S: Final = 10.0


class DirectCommander:
    """Offers a command to the intake, and waits for its acknowledgement."""

    def __init__(self, intake: Intake, source: str) -> None:
        self._intake = intake
        self._source = source

    async def command(self, source: str, command: AnyCommand) -> None:
        """Raises Away for another worker's letters, and while ingest takes nothing; it may be carried out later."""
        if source != self._source:
            raise Away(f"The ingest worker {source} is not a part of this process", "ingest_unavailable")
        carried_out = asyncio.Event()
        payload = command.model_dump_json().encode()
        try:
            async with asyncio.timeout(WITHIN_S):
                await self._intake.room()
                delivery = Delivery([(control_topic(source), payload)], time.time_ns(), lambda _: carried_out.set())
                self._intake.offer(delivery)
                await carried_out.wait()
        except TimeoutError as error:
            raise Away("Ingest is busy, or its disk is full: ask again", "ingest_unavailable") from error
