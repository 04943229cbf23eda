"""Devices' credentials on Mosquitto: its dynamic-security plug-in, told over MQTT what the database says."""
