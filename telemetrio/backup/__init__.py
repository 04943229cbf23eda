"""A whole system in one file, and back: `telemetrio backup` and `telemetrio restore` (docs/decisions/0027)."""
