"""The time-series store: one interface, a backend per file."""
