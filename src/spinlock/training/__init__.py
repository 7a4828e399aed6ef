"""From a table to a trained model: preparation, warm start, losses, the loop, checkpoints."""
