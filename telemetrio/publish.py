"""`telemetrio publish`: one message, as a device sends it, for who has no MQTT client at hand."""

import asyncio
from typing import Final

from aiomqtt import Client, MqttError, ProtocolVersion

from shared.broker import BrokerSettings, tls_context
from shared.process import ExitCode, Refusal

_WITHIN_S: Final = 10.0


async def publish(settings: BrokerSettings, client_id: str, topic: str, payload: bytes) -> None:
    """Return when it is acknowledged, which is when it is on disk. Raises Refusal that says what is in the way."""
    address = settings.address
    client = Client(
        address.host,
        address.port,
        username=address.username,
        password=address.password,
        identifier=client_id,
        protocol=ProtocolVersion.V311,  # what the broker of `telemetrio up` speaks, and every other
        tls_context=tls_context(settings),
        timeout=_WITHIN_S,
    )
    try:
        async with asyncio.timeout(2 * _WITHIN_S), client:
            await client.publish(topic, payload, 1)
    except (MqttError, OSError, TimeoutError) as error:
        why = str(error) or f"no answer within {_WITHIN_S:.0f} s"
        raise Refusal(
            f"{address} did not take it: {why}. Is `telemetrio up` running, and may this client publish there?",
            ExitCode.DIED,
        ) from error
