"""What happened to accounts, for administrators to read."""
