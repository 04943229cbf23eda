"""What devices measured, by range."""
