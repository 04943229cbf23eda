"""What happened to accounts, keys and devices' credentials, for administrators to read."""
