"""Keys for programs, in place of a login."""
