"""What devices prove themselves with at the broker."""
