"""The operator's command, and the only package that may import more than one service."""

from importlib.metadata import version

__version__ = version("telemetrio")
