"""The network of one member, its closed-form initialization, and the ensemble."""
