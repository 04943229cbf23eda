"""Tickets for the live streams."""
