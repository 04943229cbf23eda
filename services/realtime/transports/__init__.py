"""What carries a session to a client: three methods each, see Transport in transport.py."""
