"""Items of a caller, as one of the seeds has them."""
