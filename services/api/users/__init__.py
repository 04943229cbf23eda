"""Users, as administrators see and change them."""
