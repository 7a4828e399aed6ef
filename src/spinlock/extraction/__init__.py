"""From rollouts of another program to a dataset: read batches of fields, compute their features, and write them."""
