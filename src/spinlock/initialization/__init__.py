"""Closed-form fits: the initialization of the network before training, and what training needs of them.

``closed_form`` fits principal axes, codes (by ``kmeans``) and a ridge regression, and ``network`` copies them into a
network. ``joint_codes`` fits the codes of joint assignment, and ``neighbor_interpolation`` adds points between training
rows. ``coordinate_scales`` computes the scale of the optimizer's steps for each embedding coordinate, and
``decoder_refit`` fits the decoder again after training.
"""
