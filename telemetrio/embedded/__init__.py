"""The MQTT broker of `telemetrio up`: amqtt in this process, subclassed where its defaults break our promises."""

from telemetrio.embedded.embedded import BrokerStats, EmbeddedBroker, is_device_topic
from telemetrio.embedded.hearing import Hearing

__all__ = ["BrokerStats", "EmbeddedBroker", "Hearing", "is_device_topic"]
