"""The books: what ingest received, and where each entry is."""
