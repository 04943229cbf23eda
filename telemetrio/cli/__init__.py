"""The command line, by what people want: each command imports what it needs only when it is asked for."""
