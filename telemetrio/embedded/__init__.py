"""The MQTT broker of `telemetrio up`: amqtt in this process, subclassed where its defaults break our promises."""

from telemetrio.embedded.embedded import BrokerStats, EmbeddedBroker, is_device_topic

__all__ = ["BrokerStats", "EmbeddedBroker", "is_device_topic"]
