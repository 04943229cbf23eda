"""The real servers and programs that tests run against: where they are, and what happens when one is missing."""
