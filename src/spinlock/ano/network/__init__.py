"""The network of one member, its closed-form start, and the ensemble."""
