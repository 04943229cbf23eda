"""What could not be stored, with its raw bytes and the reason."""
