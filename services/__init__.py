"""The three services. Each imports `shared` and itself, never another service."""
