"""What the commands print: plans, progress, results."""
