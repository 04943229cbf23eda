"""The seeds' users: who they are, what a frontend keeps of them, and what their devices measured."""
