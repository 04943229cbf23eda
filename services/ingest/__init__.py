"""Takes telemetry from devices: judged, on disk, acknowledged, announced, stored. Start at pipeline.py."""
