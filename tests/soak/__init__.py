"""`scripts/test soak`: a fleet speaks while everything around it is killed, cut and restarted."""
