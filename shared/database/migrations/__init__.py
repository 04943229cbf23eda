"""Alembic's scripts, and the one call that brings a database to this version."""
