"""Orders: numbered lists of items."""
