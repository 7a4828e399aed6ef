"""Initialization of the network before the first training step.

``closed_form`` fits principal axes, codes (by ``kmeans``) and a ridge regression, and ``network`` copies them into a
network. ``joint_codes`` fits the codes of joint assignment, and ``neighbor_interpolation`` adds points between training
rows.
"""
