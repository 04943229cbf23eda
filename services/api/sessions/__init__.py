"""Where somebody is logged in: their sessions, to see and to end."""
