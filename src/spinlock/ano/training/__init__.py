"""From a configuration to a finished model: plan, losses, loop, run."""
