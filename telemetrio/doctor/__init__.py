"""`telemetrio doctor`: looks at everything that a running system depends on, and says what to mend."""
