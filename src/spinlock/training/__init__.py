"""Training from a feature table to a finished run: plan, initialization, losses, loop, callbacks and resuming."""
