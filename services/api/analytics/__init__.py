"""What the web page draws: figures of windows, distributions, comparisons, and the motion of a knee."""
