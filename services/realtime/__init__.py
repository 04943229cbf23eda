"""Brings committed readings to whoever looks at them, as they come in. Start at app.py."""
