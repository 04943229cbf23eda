"""Many devices at once, as a CSV file."""
