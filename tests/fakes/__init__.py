"""What a test puts in the place of something real, and only to make it fail or to see what it is asked."""
