"""The seeds' list of devices, to the letter: their frontends work unchanged. Their users are in `people`."""
