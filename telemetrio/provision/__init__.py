"""What an installation's own servers need before the services can use them; run again, it brings them up to date."""
