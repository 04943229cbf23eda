"""Fans committed readings out to browsers. Start at hub.py."""
