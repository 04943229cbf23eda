"""Devices of a caller: list, add, change, claim, delete."""
