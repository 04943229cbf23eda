"""Readings out of the system and into it again, of any number, in flat memory."""
