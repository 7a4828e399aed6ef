"""Gaussian mixtures over the parameters of a family: density, marginals, samples, modes."""
