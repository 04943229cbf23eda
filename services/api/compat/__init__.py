"""The seeds' unversioned routes, to the letter: their frontends work unchanged."""
