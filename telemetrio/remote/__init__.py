"""Commands that ask a running system over HTTP, wherever it is: export, import, dead letters."""
