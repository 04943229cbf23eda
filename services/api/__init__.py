"""The HTTP API: devices, readings, books, dead letters, and the seeds' routes. Start at app.py."""
